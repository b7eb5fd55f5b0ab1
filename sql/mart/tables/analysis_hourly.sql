comment on table mart.analysis_hourly is E'@unique id\nThe analyses by the hour of the organization''s time zone in which they ended: all, and by status, language and rubric. The days are merged from it.';
comment on column mart.analysis_hourly.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_hourly.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_hourly.ts_bucket is 'Start of the hour.';
comment on column mart.analysis_hourly.dimension is 'all, status, language or rubric.';
comment on column mart.analysis_hourly.value is 'The status, language or rubric (name and version); empty for all.';
comment on column mart.analysis_hourly.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_hourly.scored is 'How many of them have a document.';
comment on column mart.analysis_hourly.overall_count is 'How many have an overall score that is a number.';
comment on column mart.analysis_hourly.sum_overall is 'Sum of the overall scores.';
comment on column mart.analysis_hourly.entropy_count is 'How many have a semantic entropy that is a number.';
comment on column mart.analysis_hourly.sum_entropy is 'Sum of the semantic entropies.';
comment on column mart.analysis_hourly.judged is 'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_hourly.sum_judged is 'By rubric: sum of the weighted means of the complete judgements.';
comment on constraint pk_analysis_hourly on mart.analysis_hourly is 'One row per organization and id.';
comment on constraint unq_analysis_hourly_bucket on mart.analysis_hourly is 'One row per hour, dimension and value.';
comment on constraint fk_analysis_hourly_organization_id on mart.analysis_hourly is 'The organization must exist.';
comment on constraint chk_analysis_hourly_dimension on mart.analysis_hourly is 'dimension must be all, status, language or rubric';
comment on constraint chk_analysis_hourly_analyses on mart.analysis_hourly is 'analyses must be more than 0';
comment on constraint chk_analysis_hourly_scored on mart.analysis_hourly is 'scored, overall_count, entropy_count and judged must be from 0 to analyses';

alter table mart.analysis_hourly enable row level security;
alter table mart.analysis_hourly force row level security;
revoke all on mart.analysis_hourly from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_hourly;
create policy select_own on mart.analysis_hourly for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_hourly is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_hourly to curestry_member;

drop policy if exists select_granted on mart.analysis_hourly;
create policy select_granted on mart.analysis_hourly for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_hourly is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_hourly to curestry_analyst;

drop policy if exists definer_all on mart.analysis_hourly;
create policy definer_all on mart.analysis_hourly for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_hourly is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_hourly to curestry_definer;
