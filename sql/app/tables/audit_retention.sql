comment on table app.audit_retention is 'What left the audit log by the retention policies of organizations: one row for each month and time.';
comment on column app.audit_retention.id is 'Identifies the row; stands in the log''s row about it.';
comment on column app.audit_retention.partition_name is 'The partition of the log that it was in.';
comment on column app.audit_retention.from_ts is 'The month that left: from here';
comment on column app.audit_retention.to_ts is 'to before here.';
comment on column app.audit_retention.table_name is 'The table in app that holds the rows since then, until it is dropped.';
comment on column app.audit_retention.detached_at is 'When they left.';
comment on column app.audit_retention.dropped_at is 'When that table was dropped; null: it is still there.';
comment on constraint pk_audit_retention on app.audit_retention is 'One row per act.';

alter table app.audit_retention enable row level security;
alter table app.audit_retention force row level security;

drop policy if exists definer_all on app.audit_retention;
create policy definer_all on app.audit_retention for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_retention is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_retention to curestry_definer;
