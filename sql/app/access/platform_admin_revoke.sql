create or replace function app.platform_admin_revoke(user_email text) returns boolean
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.platform_admin o using core.users u
     where u.id = o.user_id and lower(u.email) = lower(user_email)
    returning o.user_id
  )
  select exists (select from gone);
$$;
alter function app.platform_admin_revoke owner to curestry_definer;
revoke execute on function app.platform_admin_revoke from public;
grant execute on function app.platform_admin_revoke to curestry_owner;
comment on function app.platform_admin_revoke is
  'Makes a platform admin an ordinary user again, from their next request on; returns whether they were one. For '
  'operators.';
