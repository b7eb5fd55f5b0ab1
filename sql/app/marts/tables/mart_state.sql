/*
 * app.mart_state: generated from the database by `deno task generate`
 *
 *   organization_id         uuid         not null
 *   time_zone               text         not null
 *   marts_immutable_before  timestamptz  not null default '-infinity'
 *   facts_immutable_before  timestamptz
 *   facts_immutable_xid     bigint
 *   rebuild_change_id       bigint
 *   rebuild_time_zone       text
 *   rebuild_next_ts         timestamptz
 *
 *   pk_mart_state                  primary key (organization_id)
 *   fk_mart_state_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_mart_state_rebuild         check ((rebuild_change_id is null) = (rebuild_time_zone is null) and
 *                                    (rebuild_change_id is null) = (rebuild_next_ts is null))
 */

select app.table_usual_comments('app.mart_state');
comment on table app.mart_state is
  'What the marts of an organization are made by. No row: UTC, and nothing is immutable.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is
  'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.marts_immutable_before is
  'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on column app.mart_state.facts_immutable_before is
  'Facts before this time are not accepted any more: the marts process what is there of them for the last time, '
  'and then it is removed.';
comment on column app.mart_state.facts_immutable_xid is
  'When all transactions before this one have ended, nothing before facts_immutable_before can come any more; null: '
  'that is not decided yet.';
comment on column app.mart_state.rebuild_change_id is
  'While the marts are rebuilt, slice by slice: the row of app.mart_change that says so; else null.';
comment on column app.mart_state.rebuild_time_zone is 'The zone that they are rebuilt for.';
comment on column app.mart_state.rebuild_next_ts is 'Where the rebuild goes on: the days before are done.';
comment on constraint chk_mart_state_rebuild on app.mart_state is
  'a rebuild has a change, a time zone and a place where it goes on';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';

select app.table_protect('app.mart_state');

grant select, insert, update on app.mart_state to curestry_definer;
