comment on table mart.feature_daily is E'@unique id\nThe use of features by day of the organization''s time zone.';
comment on column mart.feature_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.feature_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.feature_daily.day is 'The day.';
comment on column mart.feature_daily.feature_key is 'The feature.';
comment on column mart.feature_daily.events is 'How many times it was used; at most 2147483647.';
comment on column mart.feature_daily.unique_users is 'By how many users.';
comment on constraint pk_feature_daily on mart.feature_daily is 'One row per organization and id.';
comment on constraint unq_feature_daily_day_feature_key on mart.feature_daily is 'One row per day and feature.';
comment on constraint fk_feature_daily_organization_id on mart.feature_daily is 'The organization must exist.';
comment on constraint chk_feature_daily_events on mart.feature_daily is 'events must be at least 0';
comment on constraint chk_feature_daily_unique_users on mart.feature_daily is 'unique_users must be from 0 to events';

alter table mart.feature_daily enable row level security;
alter table mart.feature_daily force row level security;
revoke all on mart.feature_daily from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.feature_daily;
create policy select_own on mart.feature_daily for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.feature_daily is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.feature_daily to curestry_member;

drop policy if exists select_granted on mart.feature_daily;
create policy select_granted on mart.feature_daily for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.feature_daily is 'Analysts read the organizations granted to them.';
grant select on mart.feature_daily to curestry_analyst;

drop policy if exists definer_all on mart.feature_daily;
create policy definer_all on mart.feature_daily for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.feature_daily is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.feature_daily to curestry_definer;
