create or replace function app.session_open(user_email text, lifetime interval)
returns table (user_id integer, jwt_id text, expires_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
begin
  if lifetime <= interval '0' then
    perform app.refuse('CU004', 'expires: must be more than nothing', 'expires');
  end if;
  select u.id into v_user from core.users u where lower(u.email) = lower(user_email);
  if not found then
    perform app.refuse('CU003', format('There is no user with the e-mail address %L', user_email), 'user');
  end if;
  return query
    insert into core.sessions as s (user_id, jwt_id, expires_at)
    values (v_user, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
            date_trunc('second', now() + lifetime))
    returning s.user_id, s.jwt_id::text, s.expires_at;
end;
$$;
alter function app.session_open owner to curestry_definer;
revoke execute on function app.session_open from public;
grant execute on function app.session_open to curestry_owner;
comment on function app.session_open is
  'Opens a session of a user; the token that names its jwt_id is signed outside. For operators.';
