comment on table mart.analysis_daily_by is E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, by status, by detected language and by judge rubric.';
comment on column mart.analysis_daily_by.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_daily_by.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_daily_by.day is 'The day.';
comment on column mart.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column mart.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column mart.analysis_daily_by.analyses is 'How many runs ended; by rubric: how many of them were judged by it.';
comment on column mart.analysis_daily_by.scored is 'How many of them have a document.';
comment on column mart.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column mart.analysis_daily_by.judged is 'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column mart.analysis_daily_by.avg_judged is 'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column mart.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
comment on constraint pk_analysis_daily_by on mart.analysis_daily_by is 'One row per organization and id.';
comment on constraint unq_analysis_daily_by_value on mart.analysis_daily_by is 'One row per day, dimension and value.';
comment on constraint fk_analysis_daily_by_organization_id on mart.analysis_daily_by is 'The organization must exist.';
comment on constraint chk_analysis_daily_by_dimension on mart.analysis_daily_by is 'dimension must be status, language or rubric';
comment on constraint chk_analysis_daily_by_analyses on mart.analysis_daily_by is 'analyses must be more than 0';
comment on constraint chk_analysis_daily_by_scored on mart.analysis_daily_by is 'scored and judged must be from 0 to analyses';

alter table mart.analysis_daily_by enable row level security;
alter table mart.analysis_daily_by force row level security;
revoke all on mart.analysis_daily_by from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_daily_by;
create policy select_own on mart.analysis_daily_by for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_daily_by is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_daily_by to curestry_member;

drop policy if exists select_granted on mart.analysis_daily_by;
create policy select_granted on mart.analysis_daily_by for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_daily_by is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_daily_by to curestry_analyst;

drop policy if exists definer_all on mart.analysis_daily_by;
create policy definer_all on mart.analysis_daily_by for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_daily_by is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_daily_by to curestry_definer;
