create or replace view report.analysis_daily with (security_invoker = true) as
select o.slug as organization, m.day, m.analyses, m.scored, m.avg_overall, m.avg_entropy, m.sum_overall, m.sum_entropy
  from mart.analysis_daily m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily to curestry_analyst;
comment on view report.analysis_daily is
  'The analyses of each day (of the organization''s time zone) on which they ended, and their quality.';
comment on column report.analysis_daily.organization is 'Slug of the organization.';
comment on column report.analysis_daily.day is 'The day.';
comment on column report.analysis_daily.analyses is 'How many runs ended.';
comment on column report.analysis_daily.scored is 'How many have a document.';
comment on column report.analysis_daily.avg_overall is 'Mean overall score of those.';
comment on column report.analysis_daily.avg_entropy is 'Mean semantic entropy of those.';
comment on column report.analysis_daily.sum_overall is
  'Sum of the overall scores: divide a sum over days by the sum of scored, never average averages.';
comment on column report.analysis_daily.sum_entropy is 'Sum of the semantic entropies.';
