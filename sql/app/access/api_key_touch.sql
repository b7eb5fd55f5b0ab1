create or replace function app.api_key_touch(api_key_hash text) returns void
language sql volatile security definer set search_path = '' as $$
  update ops.api_key k set last_used_at = now()
   where k.key_hash = api_key_hash and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute');
$$;
alter function app.api_key_touch owner to curestry_definer;
revoke execute on function app.api_key_touch from public;
grant execute on function app.api_key_touch to curestry_gateway;
comment on function app.api_key_touch is
  'Records that an API key was used, at most once a minute. The gateway calls it outside the request''s transaction.';
