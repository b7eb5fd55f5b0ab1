create or replace function app.erasure_only_removes(before jsonb, after jsonb) returns boolean
language sql immutable
return after is null or (before is not null and not exists (
  select from jsonb_each(after) n
   where n.value is distinct from before -> n.key and (n.value <> 'null' or not before ? n.key)));
revoke execute on function app.erasure_only_removes from public;
grant execute on function app.erasure_only_removes to curestry_definer;
comment on function app.erasure_only_removes is
  'Whether a state equals another one except for removed values.';
