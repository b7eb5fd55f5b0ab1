/*
 * app.personal_data: generated from the database by `deno task generate`
 *
 *   table_name        text    not null
 *   person_column     text    not null
 *   personal_columns  text[]  not null default '{}'
 *   treatment         text    not null
 *
 *   pk_personal_data             primary key (table_name)
 *   chk_personal_data_treatment  check (treatment in ('clear', 'delete'))
 */

comment on table app.personal_data is
  'Which columns are personal data, and whose; written by app.personal_table, read by the erasure of a user.';
comment on column app.personal_data.table_name is 'The table, with its schema.';
comment on column app.personal_data.person_column is 'The column with the id of the user whose data it is.';
comment on column app.personal_data.personal_columns is
  'The columns that say who the person is; the audit log loses them when the user is erased.';
comment on column app.personal_data.treatment is
  'What the erasure does to the row: clear (the personal columns become null) or delete.';
comment on constraint pk_personal_data on app.personal_data is 'One row per table.';
comment on constraint chk_personal_data_treatment on app.personal_data is 'treatment must be clear or delete';

alter table app.personal_data enable row level security;
alter table app.personal_data force row level security;

drop policy if exists owner_all on app.personal_data;
create policy owner_all on app.personal_data for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.personal_data is 'Migrations say which columns are personal.';

drop policy if exists definer_read on app.personal_data;
create policy definer_read on app.personal_data for select to curestry_definer
  using (true);
comment on policy definer_read on app.personal_data is 'The erasure of a user reads what to take out.';

grant select on app.personal_data to curestry_definer;
