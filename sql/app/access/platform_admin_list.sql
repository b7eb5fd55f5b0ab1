create or replace function app.platform_admin_list() returns table (email text, granted_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.email::text, o.granted_at
    from app.platform_admin o join core.users u on u.id = o.user_id
   order by 1;
$$;
alter function app.platform_admin_list owner to curestry_definer;
revoke execute on function app.platform_admin_list from public;
grant execute on function app.platform_admin_list to curestry_owner;
comment on function app.platform_admin_list is 'The users who are platform admins. For operators.';
