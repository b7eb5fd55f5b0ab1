/*
 * mart.feature_daily: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   day              date          not null
 *   feature_key      varchar(100)  not null
 *   events           integer       not null default 0
 *   unique_users     integer       not null default 0
 *
 *   pk_feature_daily                   primary key (organization_id, id)
 *   unq_feature_daily_day_feature_key  unique (organization_id, day, feature_key)
 *   fk_feature_daily_organization_id   foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_feature_daily_events           check (events >= 0)
 *   chk_feature_daily_unique_users     check (unique_users >= 0 and unique_users <= events)
 */

select app.table_usual_comments('mart.feature_daily');
comment on table mart.feature_daily is
  E'@unique id\n@name feature_day\n@list features_by_day\n'
  'The use of features by day of the organization''s time zone.';
comment on column mart.feature_daily.day is 'The day.';
comment on column mart.feature_daily.feature_key is 'The feature.';
comment on column mart.feature_daily.events is 'How many times it was used; at most 2147483647.';
comment on column mart.feature_daily.unique_users is 'By how many users.';
comment on constraint unq_feature_daily_day_feature_key on mart.feature_daily is 'One row per day and feature.';
comment on constraint chk_feature_daily_events on mart.feature_daily is 'events must be at least 0';
comment on constraint chk_feature_daily_unique_users on mart.feature_daily is 'unique_users must be from 0 to events';

select app.table_protect('mart.feature_daily');
select app.table_policies_for_members('mart.feature_daily', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.feature_daily');

grant select on mart.feature_daily to curestry_member;
grant select on mart.feature_daily to curestry_analyst;
grant select, insert, delete, update on mart.feature_daily to curestry_definer;
