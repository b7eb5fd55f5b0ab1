create or replace function app.platform_admin_grant(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %s', user_email), 'email');
  end if;
  insert into app.platform_admin (user_id) values (v_user) on conflict do nothing;
  return v_user;
end;
$$;
alter function app.platform_admin_grant owner to curestry_definer;
revoke execute on function app.platform_admin_grant from public;
grant execute on function app.platform_admin_grant to curestry_owner;
comment on function app.platform_admin_grant is
  'Makes a user a platform admin, who may see failed jobs and scheduled tasks of the whole installation through the '
  'API, and retry jobs; refuses an unknown user. For operators.';
