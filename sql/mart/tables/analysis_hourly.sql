/*
 * mart.analysis_hourly: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   ts_bucket        timestamptz   not null
 *   dimension        varchar(20)   not null
 *   value            varchar(300)  not null
 *   analyses         bigint        not null
 *   scored           bigint        not null
 *   overall_count    bigint        not null
 *   sum_overall      numeric
 *   entropy_count    bigint        not null
 *   sum_entropy      numeric
 *   judged           bigint        not null
 *   sum_judged       numeric
 *
 *   pk_analysis_hourly                  primary key (organization_id, id)
 *   unq_analysis_hourly_bucket          unique (organization_id, dimension, value, ts_bucket)
 *   fk_analysis_hourly_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_analysis_hourly_analyses        check (analyses > 0)
 *   chk_analysis_hourly_dimension       check (dimension in ('all', 'status', 'language', 'rubric'))
 *   chk_analysis_hourly_scored          check (scored >= 0 and scored <= analyses and overall_count >= 0 and
 *                                         overall_count <= analyses and entropy_count >= 0 and entropy_count <=
 *                                         analyses and judged >= 0 and judged <= analyses)
 *
 *   idx_analysis_hourly_ts_bucket  index (organization_id, ts_bucket)
 */

select app.table_usual_comments('mart.analysis_hourly');
comment on table mart.analysis_hourly is
  E'@unique id\n@name analysis_hour\n@list analyses_by_hour\n'
  'The analyses by the hour of the organization''s time zone in which they ended: all, and by status, language '
  'and rubric. The days are merged from it.';
comment on column mart.analysis_hourly.ts_bucket is 'Start of the hour.';
comment on column mart.analysis_hourly.dimension is
  E'@words AnalysisDimension\n'
  '@word all All analyses.\n'
  '@word status By the status that they ended with.\n'
  '@word language By the language that was detected.\n'
  '@word rubric By the rubric that judges went by.\n'
  'all, status, language or rubric.';
comment on column mart.analysis_hourly.value is 'The status, language or rubric (name and version); empty for all.';
comment on column mart.analysis_hourly.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_hourly.scored is 'How many of them have a document.';
comment on column mart.analysis_hourly.overall_count is 'How many have an overall score that is a number.';
comment on column mart.analysis_hourly.sum_overall is 'Sum of the overall scores.';
comment on column mart.analysis_hourly.entropy_count is 'How many have a semantic entropy that is a number.';
comment on column mart.analysis_hourly.sum_entropy is 'Sum of the semantic entropies.';
comment on column mart.analysis_hourly.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_hourly.sum_judged is 'By rubric: sum of the weighted means of the complete judgements.';
comment on constraint unq_analysis_hourly_bucket on mart.analysis_hourly is 'One row per hour, dimension and value.';
comment on constraint chk_analysis_hourly_dimension on mart.analysis_hourly is
  'dimension must be all, status, language or rubric';
comment on constraint chk_analysis_hourly_analyses on mart.analysis_hourly is 'analyses must be more than 0';
comment on constraint chk_analysis_hourly_scored on mart.analysis_hourly is
  'scored, overall_count, entropy_count and judged must be from 0 to analyses';

select app.table_protect('mart.analysis_hourly');
select app.table_policies_for_members('mart.analysis_hourly', to_read => 'marts:read');
select app.table_policy_for_analysts('mart.analysis_hourly');

grant select on mart.analysis_hourly to curestry_member;
grant select on mart.analysis_hourly to curestry_analyst;
grant select, insert, delete, update on mart.analysis_hourly to curestry_definer;
