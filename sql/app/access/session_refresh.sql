/*
 * The new session lasts as long as the old one was meant to, and the old one ends now: if the token was stolen, its
 * owner is refused and notices.
 */
create or replace function app.session_refresh(session_jwt_id text)
returns table (user_id integer, jwt_id text, expires_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_old core.sessions;
begin
  update core.sessions s set revoked_at = now()
   where s.jwt_id = session_jwt_id and s.revoked_at is null and s.expires_at > now()
  returning s.* into v_old;
  if not found then
    perform app.refuse('CU001', 'These credentials are not valid');
  end if;
  return query
    insert into core.sessions as s (user_id, jwt_id, expires_at)
    values (v_old.user_id, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
            date_trunc('second', now() + (v_old.expires_at - v_old.created_at)))
    returning s.user_id, s.jwt_id::text, s.expires_at;
end;
$$;
alter function app.session_refresh owner to curestry_definer;
revoke execute on function app.session_refresh from public;
grant execute on function app.session_refresh to curestry_gateway;
comment on function app.session_refresh is 'Ends a session and opens its successor. Behind POST /auth/refresh.';
