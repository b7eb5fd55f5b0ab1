create or replace function app.live_cursor_key() returns bytea
language sql stable security definer set search_path = '' as $$
  select public.hmac(convert_to('cursors of subscriptions', 'UTF8'), s.key, 'sha256') from app.installation_secret s;
$$;
alter function app.live_cursor_key owner to curestry_definer;
revoke execute on function app.live_cursor_key from public;
grant execute on function app.live_cursor_key to curestry_gateway;
comment on function app.live_cursor_key is
  'The key that gateways close cursors with: whoever holds a cursor cannot read or make one, and each gateway of the '
  'installation takes those of the others.';
