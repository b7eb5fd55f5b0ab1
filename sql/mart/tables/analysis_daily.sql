comment on table mart.analysis_daily is E'@unique id\nThe analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column mart.analysis_daily.id is 'Identifies the row; unique across organizations.';
comment on column mart.analysis_daily.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column mart.analysis_daily.day is 'The day.';
comment on column mart.analysis_daily.analyses is 'How many runs ended, whatever their end.';
comment on column mart.analysis_daily.avg_overall is 'Mean overall score of those with a document.';
comment on column mart.analysis_daily.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column mart.analysis_daily.scored is 'How many have a document.';
comment on column mart.analysis_daily.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column mart.analysis_daily.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on constraint pk_analysis_daily on mart.analysis_daily is 'One row per organization and id.';
comment on constraint unq_analysis_daily_day on mart.analysis_daily is 'One row per day.';
comment on constraint fk_analysis_daily_organization_id on mart.analysis_daily is 'The organization must exist.';
comment on constraint chk_analysis_daily_analyses on mart.analysis_daily is 'analyses must be at least 0';
comment on constraint chk_analysis_daily_scored on mart.analysis_daily is 'scored must be from 0 to analyses';

alter table mart.analysis_daily enable row level security;
alter table mart.analysis_daily force row level security;
revoke all on mart.analysis_daily from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on mart.analysis_daily;
create policy select_own on mart.analysis_daily for select to curestry_member
  using (organization_id = app.organization_if('marts:read'));
comment on policy select_own on mart.analysis_daily is 'Members read the rows of their request''s organization, with marts:read.';
grant select on mart.analysis_daily to curestry_member;

drop policy if exists select_granted on mart.analysis_daily;
create policy select_granted on mart.analysis_daily for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on mart.analysis_daily is 'Analysts read the organizations granted to them.';
grant select on mart.analysis_daily to curestry_analyst;

drop policy if exists definer_all on mart.analysis_daily;
create policy definer_all on mart.analysis_daily for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on mart.analysis_daily is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete, update on mart.analysis_daily to curestry_definer;
