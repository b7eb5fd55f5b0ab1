create or replace function app.is_erased_from(before jsonb, after jsonb) returns boolean
language sql immutable
return after is null or (before is not null and not exists (
  select from jsonb_each(after) n where n.value is distinct from before -> n.key and (n.value <> 'null' or not before ? n.key)));
revoke execute on function app.is_erased_from(jsonb, jsonb) from public;
grant execute on function app.is_erased_from(jsonb, jsonb) to curestry_definer;
comment on function app.is_erased_from(jsonb, jsonb) is 'Whether a state is another one with nothing done to it but that values were taken out.';
