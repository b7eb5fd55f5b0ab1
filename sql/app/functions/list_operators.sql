create or replace function app.list_operators() returns table (email text, granted_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.email::text, o.granted_at
    from app.operator o join core.users u on u.id = o.user_id
   order by 1;
$$;
alter function app.list_operators() owner to curestry_definer;
revoke execute on function app.list_operators() from public;
grant execute on function app.list_operators() to curestry_owner;
comment on function app.list_operators() is 'The users who are operators. For operators.';
