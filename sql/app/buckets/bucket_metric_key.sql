/* Names that are too long are cut, and distinguished by a hash of the whole name. */
create or replace function app.bucket_metric_key(name text) returns text
language sql immutable parallel safe
return case when char_length(name) <= 100 then name else left(name, 91) || '~' || left(md5(name), 8) end;
revoke execute on function app.bucket_metric_key from public;
grant execute on function app.bucket_metric_key to curestry_definer;
comment on function app.bucket_metric_key is
  'A name as a key of mart.metric_timeseries, of at most 100 characters.';
