comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.id is 'Identifies the row; unique across organizations.';
comment on column ops.feature_event.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on column ops.feature_event.created_at is 'When the row was written.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint fk_feature_event_organization_id on ops.feature_event is 'The organization must exist.';
comment on constraint fk_feature_event_user_id on ops.feature_event is 'The user must exist.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is 'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

alter table ops.feature_event enable row level security;
alter table ops.feature_event force row level security;
revoke all on ops.feature_event from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.feature_event;
create policy select_own on ops.feature_event for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on ops.feature_event is 'Members read the rows of their request''s organization, with marts:read.';
grant select on ops.feature_event to curestry_member;

drop policy if exists select_granted on ops.feature_event;
create policy select_granted on ops.feature_event for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.feature_event is 'Analysts read the organizations granted to them.';
grant select on ops.feature_event to curestry_analyst;

drop policy if exists definer_all on ops.feature_event;
create policy definer_all on ops.feature_event for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.feature_event is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.feature_event to curestry_definer;

select app.mark_table('ops.feature_event', 'feature');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
select app.guard_partition('app.feature_event_default');
