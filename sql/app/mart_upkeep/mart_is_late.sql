create or replace function app.mart_is_late(oldest_change_seconds double precision) returns boolean
language sql immutable
return coalesce(oldest_change_seconds > 180, false);
revoke execute on function app.mart_is_late from public;
grant execute on function app.mart_is_late to curestry_definer, curestry_owner;
comment on function app.mart_is_late is
  'Whether a mart is further behind than a worker that runs lets it be: three minutes, where seconds are usual.';
