create or replace function app.legacy_report()
returns table (source_table text, rows_found bigint, rows_kept bigint, organizations integer, note text)
language sql stable set search_path = '' as $$
  select a.source_table, a.rows_found, a.rows_kept, a.organizations, a.note from app.legacy_account a order by 1;
$$;
revoke execute on function app.legacy_report from public;
comment on function app.legacy_report is
  'What became of the rows of the old backends'' tables in the migration. For operators.';
