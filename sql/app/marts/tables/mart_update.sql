/*
 * app.mart_update: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   seq              bigint       not null default nextval('ops.audit_log_seq')
 *   source           varchar(20)  not null
 *   from_ts          timestamptz  not null
 *   to_ts            timestamptz  not null
 *   xid              bigint       not null default pg_current_xact_id()::bigint
 *   created_at       timestamptz  not null default now()
 *
 *   pk_mart_update          primary key (organization_id, seq)
 *   chk_mart_update_source  check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'))
 *   chk_mart_update_span    check (from_ts < to_ts)
 *
 *   idx_mart_update_created_at  index (created_at)
 *   idx_mart_update_xid         index (xid)
 */

/* Without a foreign key: changes of a deleted organization are processed, too. */

select app.table_usual_comments('app.mart_update');
comment on table app.mart_update is
  'What the marts were brought up to date for: subscribers of martsUpdated are told. Written with the marts, never by '
  'those who record; kept for two days.';
comment on column app.mart_update.organization_id is 'Whose marts.';
comment on column app.mart_update.seq is 'The order of the updates, among those of ops.audit_log.';
comment on column app.mart_update.source is 'Which facts were counted anew: those of app.mart_change.';
comment on column app.mart_update.from_ts is 'Start of the first hour that was computed.';
comment on column app.mart_update.to_ts is 'End of the last one.';
comment on column app.mart_update.xid is 'The transaction that did it: tells which readers have seen it.';
comment on column app.mart_update.created_at is 'When; older ones are removed.';
comment on constraint pk_mart_update on app.mart_update is 'One row per organization and place.';
comment on constraint chk_mart_update_source on app.mart_update is
  'source must be metric, node, judge, evaluation, analysis or feature';
comment on constraint chk_mart_update_span on app.mart_update is 'from_ts must lie before to_ts';

select app.table_protect('app.mart_update');

grant select, insert, delete on app.mart_update to curestry_definer;
