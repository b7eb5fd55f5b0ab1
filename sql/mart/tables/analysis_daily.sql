/*
 * mart.analysis_daily: generated from the database by `deno task generate`
 *
 *   id               uuid     not null default gen_random_uuid()
 *   organization_id  uuid     not null
 *   day              date     not null
 *   analyses         integer  not null default 0
 *   avg_overall      numeric
 *   avg_entropy      numeric
 *   scored           integer  not null default 0
 *   sum_overall      numeric
 *   sum_entropy      numeric
 *
 *   pk_analysis_daily                  primary key (organization_id, id)
 *   unq_analysis_daily_day             unique (organization_id, day)
 *   fk_analysis_daily_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_analysis_daily_analyses        check (analyses >= 0)
 *   chk_analysis_daily_scored          check (scored >= 0 and scored <= analyses)
 */

select app.table_usual_comments('mart.analysis_daily');
comment on table mart.analysis_daily is
  E'@unique id\n@name analysis_day\n@list analyses_by_day\n'
  'The analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column mart.analysis_daily.day is 'The day.';
comment on column mart.analysis_daily.analyses is 'How many runs ended, whatever their end.';
comment on column mart.analysis_daily.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily.scored is 'How many have a document.';
comment on column mart.analysis_daily.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on constraint unq_analysis_daily_day on mart.analysis_daily is 'One row per day.';
comment on constraint chk_analysis_daily_analyses on mart.analysis_daily is 'analyses must be at least 0';
comment on constraint chk_analysis_daily_scored on mart.analysis_daily is 'scored must be from 0 to analyses';

select app.table_protect('mart.analysis_daily');
select app.table_policies_for_members('mart.analysis_daily', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_daily');

grant select on mart.analysis_daily to curestry_member;
grant select on mart.analysis_daily to curestry_analyst;
grant select, insert, delete, update on mart.analysis_daily to curestry_definer;
