create or replace function app.retention_refusal(field text, earliest timestamptz) returns text
language sql stable
return format(
  '%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, earliest);
revoke execute on function app.retention_refusal from public;
grant execute on function app.retention_refusal to curestry_definer;
comment on function app.retention_refusal is
  'Why a fact is refused that lies before the time from which an organization keeps facts.';
