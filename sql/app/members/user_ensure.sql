create or replace function app.user_ensure(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_organization uuid;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if found then
    return v_user;
  end if;
  insert into core.users (email) values (user_email)
  on conflict do nothing
  returning id into v_user;
  if not found then -- created by another connection at the same time
    select u.id into strict v_user from core.users u where lower(u.email) = lower(user_email);
    return v_user;
  end if;
  insert into ops.organization (name, slug, personal_user_id) values (user_email, 'user-' || v_user, v_user)
  returning id into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization, v_user, 'owner');
  return v_user;
end;
$$;
alter function app.user_ensure owner to curestry_definer;
revoke execute on function app.user_ensure from public;
comment on function app.user_ensure is
  'The user with this e-mail address; created, with a personal organization, if there is none.';
