/*
 * app.audited_table: generated from the database by `deno task generate`
 *
 *   table_name           text     not null
 *   organization_column  text
 *   id_column            text     not null
 *   secret_columns       text[]   not null default '{}'
 *   note_columns         text[]   not null default '{}'
 *   summarize_inserts    boolean  not null default false
 *
 *   pk_audited_table  primary key (table_name)
 */

comment on table app.audited_table is
  'Which tables are audited, and how; written by app.audit_table, read by the generator of the audit triggers.';
comment on column app.audited_table.table_name is 'The table, with its schema.';
comment on column app.audited_table.organization_column is
  'The column with the organization; null: rows of no organization, which are logged under the nil UUID.';
comment on column app.audited_table.id_column is 'The column that identifies a row.';
comment on column app.audited_table.secret_columns is 'Columns of which the log has a keyed digest only.';
comment on column app.audited_table.note_columns is 'Columns whose change alone is a note and no event.';
comment on column app.audited_table.summarize_inserts is
  'Append-only facts: one row of the log for all that a statement inserts, with a digest.';
comment on constraint pk_audited_table on app.audited_table is 'One row per table.';

alter table app.audited_table enable row level security;
alter table app.audited_table force row level security;

drop policy if exists owner_all on app.audited_table;
create policy owner_all on app.audited_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.audited_table is 'Migrations say which tables are audited.';

drop policy if exists definer_read on app.audited_table;
create policy definer_read on app.audited_table for select to curestry_definer
  using (true);
comment on policy definer_read on app.audited_table is 'The audit log is compared with the tables.';

grant select on app.audited_table to curestry_definer;
