create or replace function app.user_ensure(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_email constant text := app.email_normalize(user_email);
  v_user integer;
  v_organization uuid;
  v_slug text;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(v_email);
  if found then
    return v_user;
  end if;
  insert into core.users (email) values (v_email)
  on conflict do nothing
  returning id into v_user;
  if not found then -- created by another connection at the same time
    select u.id into strict v_user from core.users u where lower(u.email) = lower(v_email);
    return v_user;
  end if;
  v_slug := 'user-' || v_user;
  loop
    insert into ops.organization (name, slug, personal_user_id) values (v_email, v_slug, v_user)
    on conflict on constraint unq_organization_slug do nothing
    returning id into v_organization;
    exit when found;
    -- Somebody took it when that was not refused yet
    v_slug := 'user-' || v_user || '-' || left(md5(gen_random_uuid()::text), 8);
  end loop;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization, v_user, 'owner');
  return v_user;
end;
$$;
alter function app.user_ensure owner to curestry_definer;
revoke execute on function app.user_ensure from public;
comment on function app.user_ensure is
  'The user with this e-mail address; created, with a personal organization, if there is none.';
