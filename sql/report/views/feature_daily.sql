create or replace view report.feature_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.feature_key as feature, m.events, m.unique_users
  from mart.feature_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.feature_daily to curestry_analyst;
comment on view report.feature_daily is 'The use of features by day of the organization''s time zone.';
comment on column report.feature_daily.organization is 'Slug of the organization.';
comment on column report.feature_daily.day is 'The day.';
comment on column report.feature_daily.feature is 'The feature.';
comment on column report.feature_daily.events is 'How many times it was used.';
comment on column report.feature_daily.unique_users is 'By how many users.';
