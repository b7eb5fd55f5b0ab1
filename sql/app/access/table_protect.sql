/*
 * The first of the sentences about rights in the file of each table: nobody has any but those that the file then
 * grants.
 */
create or replace function app.table_protect(guarded regclass) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
begin
  execute format('alter table %s enable row level security', guarded);
  execute format('alter table %s force row level security', guarded);
  execute format('revoke all on %s from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer',
                 guarded);
  execute format('drop policy if exists definer_all on %s', guarded);
  execute format('create policy definer_all on %s for all to curestry_definer using (true) with check (true)', guarded);
  execute format('comment on policy definer_all on %s is %L', guarded,
                 'The functions that look past row level security; the grants say what they may.');
end;
$$;
revoke execute on function app.table_protect from public;
comment on function app.table_protect is
  'Turns row level security on for a table, owners included, takes every right away, and lets the functions that look '
  'past it see all rows: what they may do with them, the grants say. Called in the file of each table.';
