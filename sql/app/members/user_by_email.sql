/* The old backends allowed addresses that differ only in case: an exact match is preferred, if there is one. */
create or replace function app.user_by_email(user_email text) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_users integer[];
  v_analyst text;
begin
  select array_agg(u.id) filter (where u.email = user_email or not e.is_exact) into v_users
    from core.users u,
         lateral (select exists (select from core.users x where x.email = user_email) as is_exact) e
   where lower(u.email) in (lower(user_email), lower(normalize(btrim(user_email), NFKC)));
  if v_users is null then
    select min(g.role_name) into v_analyst
      from ops.analyst_grant g where g.role_name in (user_email, split_part(lower(user_email), '@', 1));
    perform app.refuse('CU003',
      format('There is no user with the e-mail address %L: `user list` shows those there are', user_email)
        || coalesce('. The analyst ' || v_analyst || ' is a login of the database and no user: see `analyst list`', ''),
      'user');
  elsif cardinality(v_users) > 1 then
    perform app.refuse('CU005',
      format('Several users have an e-mail address that is %L but for case: write it as it is stored', user_email),
      'user');
  end if;
  return v_users[1];
end;
$$;
alter function app.user_by_email owner to curestry_definer;
revoke execute on function app.user_by_email from public;
grant execute on function app.user_by_email to curestry_owner;
comment on function app.user_by_email is
  'The id of the user with this e-mail address; refuses an unknown one. For operators.';
