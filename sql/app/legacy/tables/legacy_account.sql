/*
 * app.legacy_account: generated from the database by `deno task generate`
 *
 *   source_table   text         not null
 *   rows_found     bigint       not null
 *   rows_kept      bigint       not null default 0
 *   organizations  integer      not null default 0
 *   note           text
 *   created_at     timestamptz  not null default now()
 *
 *   pk_legacy_account  primary key (source_table)
 */

comment on table app.legacy_account is
  'What became of the rows of the old backends'' tables when they were taken over; empty in a database without a '
  'past.';
comment on column app.legacy_account.source_table is 'The old table.';
comment on column app.legacy_account.rows_found is 'How many rows it had.';
comment on column app.legacy_account.rows_kept is 'How many rows there were after the move.';
comment on column app.legacy_account.organizations is 'How many organizations they went to.';
comment on column app.legacy_account.note is 'Rules that some of the rows do not meet.';
comment on column app.legacy_account.created_at is 'When they were counted.';
comment on constraint pk_legacy_account on app.legacy_account is 'One row per table.';

alter table app.legacy_account enable row level security;
alter table app.legacy_account force row level security;

drop policy if exists owner_read on app.legacy_account;
create policy owner_read on app.legacy_account for select to curestry_owner
  using (true);
comment on policy owner_read on app.legacy_account is 'Operators read the account.';
