comment on table ops.audit_log is E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. Append-only, partitioned by month.';
comment on column ops.audit_log.id is 'Identifies the row; unique across organizations.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is 'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or when older rows left the log; detach: rows left by retention; erase: that states were taken out of the log.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is 'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is 'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is 'One row per organization, time and id; in the order of time, which random ids alone would not be.';

alter table ops.audit_log enable row level security;
alter table ops.audit_log force row level security;
revoke all on ops.audit_log from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.audit_log;
create policy select_own on ops.audit_log for select to curestry_member
  using (organization_id = app.organization_if('audit:read'));
comment on policy select_own on ops.audit_log is 'Members read the rows of their request''s organization, with audit:read.';
grant select on ops.audit_log to curestry_member;

drop policy if exists definer_all on ops.audit_log;
create policy definer_all on ops.audit_log for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.audit_log is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
select app.guard_partition('app.audit_log_default');
