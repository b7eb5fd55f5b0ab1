/*
 * app.partitioned_table: generated from the database by `deno task generate`
 *
 *   table_name    text     not null
 *   time_column   text     not null
 *   months_ahead  integer  not null default 3
 *
 *   pk_partitioned_table                primary key (table_name)
 *   chk_partitioned_table_months_ahead  check (months_ahead >= 1 and months_ahead <= 24)
 */

comment on table app.partitioned_table is 'Which tables are partitioned by month, for app.partition_make_all.';
comment on column app.partitioned_table.table_name is 'The table, with its schema. Its partitions are in app.';
comment on column app.partitioned_table.time_column is 'The column that decides in which month a row is, UTC.';
comment on column app.partitioned_table.months_ahead is 'For how many months after this one partitions are kept ready.';
comment on constraint pk_partitioned_table on app.partitioned_table is 'One row per table.';
comment on constraint chk_partitioned_table_months_ahead on app.partitioned_table is
  'months_ahead must be from 1 to 24';

alter table app.partitioned_table enable row level security;
alter table app.partitioned_table force row level security;

drop policy if exists owner_all on app.partitioned_table;
create policy owner_all on app.partitioned_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.partitioned_table is 'Migrations say which tables are partitioned.';

insert into app.partitioned_table (table_name, time_column)
values ('ops.audit_log', 'ts'), ('ops.feature_event', 'occurred_at')
on conflict on constraint pk_partitioned_table do update set time_column = excluded.time_column;
