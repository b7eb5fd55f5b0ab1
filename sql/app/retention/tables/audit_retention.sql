/*
 * app.audit_retention: generated from the database by `deno task generate`
 *
 *   id              uuid         not null default gen_random_uuid()
 *   partition_name  text         not null
 *   from_ts         timestamptz  not null
 *   to_ts           timestamptz  not null
 *   table_name      text         not null
 *   detached_at     timestamptz  not null default now()
 *   dropped_at      timestamptz
 *
 *   pk_audit_retention  primary key (id)
 */

comment on table app.audit_retention is
  'What left the audit log by the retention policies of organizations: one row for each month and time.';
comment on column app.audit_retention.id is 'Identifies the act; the log''s row about it names it.';
comment on column app.audit_retention.partition_name is 'The partition of the log that it was in.';
comment on column app.audit_retention.from_ts is 'The month that left: from here';
comment on column app.audit_retention.to_ts is 'to before here.';
comment on column app.audit_retention.table_name is
  'The table in app that holds the rows since then, until it is dropped.';
comment on column app.audit_retention.detached_at is 'When they left.';
comment on column app.audit_retention.dropped_at is 'When that table was dropped; null: it is still there.';
comment on constraint pk_audit_retention on app.audit_retention is 'One row per act.';

select app.table_protect('app.audit_retention');

grant select on app.audit_retention to curestry_definer;
