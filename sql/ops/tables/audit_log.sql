/*
 * ops.audit_log: generated from the database by `deno task generate`
 *
 *   id                uuid          not null default gen_random_uuid()
 *   ts                timestamptz   not null default now()
 *   actor_user_id     integer
 *   actor_api_key_id  uuid
 *   actor_role        varchar(63)   not null default session_user
 *   request_id        varchar(128)
 *   organization_id   uuid          not null
 *   action            varchar(100)  not null
 *   entity_type       varchar(100)  not null
 *   entity_id         varchar(255)  not null
 *   before_state      jsonb
 *   after_state       jsonb
 *   changed_columns   text[]
 *   xid               bigint        not null default pg_current_xact_id()::bigint
 *   seq               bigint        not null default nextval('ops.audit_log_seq')
 *   erasure_id        uuid
 *
 *   pk_audit_log  primary key (organization_id, ts, id)
 *
 *   idx_audit_log_actor_user_id  index (organization_id, actor_user_id, ts) where actor_user_id is not null
 *   idx_audit_log_entity_id      index using hash (entity_id)
 *   idx_audit_log_xid            index using brin (xid) with (pages_per_range='16')
 */

select app.table_usual_comments('ops.audit_log');
comment on table ops.audit_log is
  E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. '
  'Append-only, partitioned by month.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is
  E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is
  'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is
  E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or '
  'when older rows left the log, or when the log began to cover more; detach: rows left by retention; erase: that '
  'states were taken out of the log; restore: the database was restored to an earlier time.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is
  'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is
  'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is
  'One row per organization, time and id; in the order of time, which random ids alone would not be.';

select app.table_protect('ops.audit_log');
select app.table_policies_for_members('ops.audit_log', to_read => 'audit:read');

grant select on ops.audit_log to curestry_member;
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
select app.table_protect('app.audit_log_default');
