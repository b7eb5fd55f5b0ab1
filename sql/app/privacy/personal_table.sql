create or replace function app.personal_table(
  personal regclass, person_column text, personal_columns text[], treatment text) returns void
language sql volatile set search_path = '' as $$
  insert into app.personal_data (table_name, person_column, personal_columns, treatment)
  select n.nspname || '.' || c.relname, person_column, personal_columns, treatment
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.oid = personal
  on conflict on constraint pk_personal_data do update
    set person_column = excluded.person_column, personal_columns = excluded.personal_columns,
        treatment = excluded.treatment;
$$;
revoke execute on function app.personal_table from public;
comment on function app.personal_table is
  'Declares which columns of a table are personal data, whose, and what the erasure of that user does to the row; '
  'called in the file of the table.';
