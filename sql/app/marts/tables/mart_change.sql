/*
 * app.mart_change: generated from the database by `deno task generate`
 *
 *   id               bigint       not null generated always as identity
 *   organization_id  uuid         not null
 *   hour             timestamptz  not null
 *   created_at       timestamptz  not null default now()
 *   source           varchar(20)  not null
 *
 *   pk_mart_change          primary key (organization_id, id)
 *   chk_mart_change_source  check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature', 'zone'))
 *
 *   idx_mart_change_hour  index (organization_id, hour)
 */

select app.table_usual_comments('app.mart_change');
comment on table app.mart_change is
  'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without '
  'a unique key, so that no writer waits for another and no change of a writer that has not committed yet is lost.';
comment on column app.mart_change.id is 'Identifies the change.';
comment on column app.mart_change.organization_id is 'Whose facts changed.';
comment on column app.mart_change.source is
  'Which facts: metric, node, judge, evaluation, analysis (runs, documents and their judgements), feature; zone: the '
  'time zone of the organization.';
comment on column app.mart_change.hour is 'Start of the hour that the facts count for, UTC; -infinity: all hours.';
comment on column app.mart_change.created_at is
  'When the facts changed; the age of the oldest row is how far the marts are behind.';
comment on constraint chk_mart_change_source on app.mart_change is
  'source must be metric, node, judge, evaluation, analysis, feature or zone';

select app.table_protect('app.mart_change');

grant select, insert, delete on app.mart_change to curestry_definer;
