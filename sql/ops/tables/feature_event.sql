/*
 * ops.feature_event: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   user_id          integer
 *   feature_key      varchar(100)  not null
 *   occurred_at      timestamptz   not null default now()
 *   event_count      integer       not null default 1
 *   created_at       timestamptz   not null default now()
 *
 *   pk_feature_event                  primary key (organization_id, occurred_at, id)
 *   fk_feature_event_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_feature_event_user_id          foreign key (user_id) references core.users(id) on delete set null
 *   chk_feature_event_event_count     check (event_count >= 1 and event_count <= 1000000)
 *   chk_feature_event_feature_key     check (feature_key ~ '\S')
 *   chk_feature_event_occurred_at     check (occurred_at >= '2000-01-01 00:00:00+00' and occurred_at < '2100-01-01
 *                                       00:00:00+00')
 *
 *   idx_feature_event_user_id  index (user_id)
 */

select app.table_usual_comments('ops.feature_event');
comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is
  'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

select app.table_protect('ops.feature_event');
select app.table_policies_for_members('ops.feature_event', to_read => 'marts:read');
select app.table_policy_for_analysts('ops.feature_event');

grant select on ops.feature_event to curestry_member;
grant select on ops.feature_event to curestry_analyst;
grant select, insert on ops.feature_event to curestry_definer;

select app.mart_source_table('ops.feature_event', 'feature');
create or replace trigger _200_finite before insert or update of occurred_at on ops.feature_event
  for each row when (not isfinite(NEW.occurred_at)) execute function app.tg__finite_time('occurredAt');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
select app.table_protect('app.feature_event_default');
