create or replace function app.tg__mart_changes_truncate() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_change (organization_id, source, hour)
  select o.id, TG_ARGV[0], '-infinity' from ops.organization o;
  return null;
end;
$$;
alter function app.tg__mart_changes_truncate owner to curestry_definer;
revoke execute on function app.tg__mart_changes_truncate from public;
comment on function app.tg__mart_changes_truncate is
  'Trigger: records a change of all hours of all organizations when a table of facts is truncated.';
