/*
 * app.lock: generated from the database by `deno task generate`
 *
 *   name  text  not null
 *
 *   pk_lock  primary key (name)
 */

comment on table app.lock is
  'What only one transaction does at a time: it locks the row. Unlike an advisory lock, nobody without a privilege on '
  'this table can take it.';
comment on column app.lock.name is 'What is done.';
comment on constraint pk_lock on app.lock is 'One row for each lock.';

select app.table_protect('app.lock');

grant select, update on app.lock to curestry_definer;
