/*
 * mart.analysis_daily_by: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   day              date          not null
 *   dimension        varchar(20)   not null
 *   value            varchar(300)  not null
 *   analyses         bigint        not null
 *   scored           bigint        not null
 *   avg_overall      numeric
 *   sum_overall      numeric
 *   avg_entropy      numeric
 *   sum_entropy      numeric
 *   judged           bigint        not null
 *   avg_judged       numeric
 *   sum_judged       numeric
 *
 *   pk_analysis_daily_by                  primary key (organization_id, id)
 *   unq_analysis_daily_by_value           unique (organization_id, day, dimension, value)
 *   fk_analysis_daily_by_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   chk_analysis_daily_by_analyses        check (analyses > 0)
 *   chk_analysis_daily_by_dimension       check (dimension in ('status', 'language', 'rubric'))
 *   chk_analysis_daily_by_scored          check (scored >= 0 and scored <= analyses and judged >= 0 and judged <=
 *                                           analyses)
 *
 *   idx_analysis_daily_by_dimension  index (organization_id, dimension, value, day)
 */

select app.table_usual_comments('mart.analysis_daily_by');
comment on table mart.analysis_daily_by is
  E'@unique id\n@name analysis_day_by_dimension\n@list analyses_by_day_and_dimension\n'
  'The analyses of each day (of the organization''s time zone) on which they ended, by status, by detected '
  'language and by judge rubric.';
comment on column mart.analysis_daily_by.day is 'The day.';
comment on column mart.analysis_daily_by.dimension is E'@words AnalysisDimension\nstatus, language or rubric.';
comment on column mart.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column mart.analysis_daily_by.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_daily_by.scored is 'How many of them have a document.';
comment on column mart.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column mart.analysis_daily_by.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_daily_by.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column mart.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
comment on constraint unq_analysis_daily_by_value on mart.analysis_daily_by is 'One row per day, dimension and value.';
comment on constraint chk_analysis_daily_by_dimension on mart.analysis_daily_by is
  'dimension must be status, language or rubric';
comment on constraint chk_analysis_daily_by_analyses on mart.analysis_daily_by is 'analyses must be more than 0';
comment on constraint chk_analysis_daily_by_scored on mart.analysis_daily_by is
  'scored and judged must be from 0 to analyses';

select app.table_protect('mart.analysis_daily_by');
select app.table_policies_for_members('mart.analysis_daily_by', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_daily_by');

grant select on mart.analysis_daily_by to curestry_member;
grant select on mart.analysis_daily_by to curestry_analyst;
grant select, insert, delete, update on mart.analysis_daily_by to curestry_definer;
