create or replace function app.erasure_names_of(user_email text) returns text[]
language sql stable security definer set search_path = '' as $$
  select array_remove(array[u.email, u.name]::text[], null) from core.users u where lower(u.email) = lower(user_email);
$$;
alter function app.erasure_names_of owner to curestry_definer;
revoke execute on function app.erasure_names_of from public;
grant execute on function app.erasure_names_of to curestry_owner;
comment on function app.erasure_names_of is
  'What others may call a person by: address and name, to be read before they are erased. For operators.';
