create or replace function app.analysis_key_conflict(idempotency_key text) returns text
language sql immutable
return format('idempotencyKey %s was used before, for another content', idempotency_key);
revoke execute on function app.analysis_key_conflict from public;
grant execute on function app.analysis_key_conflict to curestry_definer;
comment on function app.analysis_key_conflict is 'What is said of a key that was used before for another content.';
