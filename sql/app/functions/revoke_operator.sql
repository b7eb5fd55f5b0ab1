create or replace function app.revoke_operator(user_email text) returns boolean
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.operator o using core.users u
     where u.id = o.user_id and lower(u.email) = lower(user_email)
    returning o.user_id
  )
  select exists (select from gone);
$$;
alter function app.revoke_operator(text) owner to curestry_definer;
revoke execute on function app.revoke_operator(text) from public;
grant execute on function app.revoke_operator(text) to curestry_owner;
comment on function app.revoke_operator(text) is
  'Makes an operator an ordinary user again, from their next request on; answers whether they were one. For operators.';
