/* A table's policies hold for who names the table; a partition that is named itself needs its own. */
create or replace function app.guard_partition(partition regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('alter table %s enable row level security', partition);
  execute format('alter table %s force row level security', partition);
  execute format('drop policy if exists definer_all on %s', partition);
  execute format('create policy definer_all on %s for all to curestry_definer using (true) with check (true)', partition);
end;
$$;
revoke execute on function app.guard_partition(regclass) from public;
comment on function app.guard_partition(regclass) is
  'Closes a partition, or a table that was one, to everyone but whoever acts as curestry_definer and may move its rows.';
