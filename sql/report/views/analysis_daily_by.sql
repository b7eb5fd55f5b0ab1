create or replace view report.analysis_daily_by with (security_invoker = true) as
select o.slug as organization, m.day, m.dimension, m.value, m.analyses, m.scored,
       m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy,
       m.judged, m.avg_judged, m.sum_judged
  from mart.analysis_daily_by m
  join ops.organization o on o.id = m.organization_id;
grant select on report.analysis_daily_by to curestry_analyst;
comment on view report.analysis_daily_by is
  'The analyses of each day (of the organization''s time zone) on which they ended, by status, by detected language '
  'and by judge rubric. Choose a dimension.';
comment on column report.analysis_daily_by.organization is 'Slug of the organization.';
comment on column report.analysis_daily_by.day is 'The day.';
comment on column report.analysis_daily_by.dimension is 'status, language or rubric.';
comment on column report.analysis_daily_by.value is 'The status, language or rubric (name and version).';
comment on column report.analysis_daily_by.analyses is
  'How many runs ended; by rubric: how many of them were judged by it.';
comment on column report.analysis_daily_by.scored is 'How many of them have a document.';
comment on column report.analysis_daily_by.avg_overall is 'Mean overall score of those with a document.';
comment on column report.analysis_daily_by.sum_overall is 'Sum of the overall scores, to merge days.';
comment on column report.analysis_daily_by.avg_entropy is 'Mean semantic entropy of those with a document.';
comment on column report.analysis_daily_by.sum_entropy is 'Sum of the semantic entropies, to merge days.';
comment on column report.analysis_daily_by.judged is
  'By rubric: how many judgements are complete, with a score for every criterion.';
comment on column report.analysis_daily_by.avg_judged is
  'By rubric: mean of the weighted means of the complete judgements, 0 to 10.';
comment on column report.analysis_daily_by.sum_judged is 'By rubric: their sum, to merge days.';
