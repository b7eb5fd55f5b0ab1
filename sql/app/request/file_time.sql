create or replace function app.file_time(moment timestamptz) returns text
language sql stable
return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
revoke execute on function app.file_time from public;
grant execute on function app.file_time to curestry_member, curestry_definer;
comment on function app.file_time is 'A time as files have it: in UTC, with microseconds, as RFC 3339 writes it.';
