create or replace view report.analyses with (security_invoker = true) as
select o.slug as organization, r.id as analysis_run_id, r.status,
       r.prompt_id, p.name as prompt_name, u.email as user_email,
       r.started_at, r.finished_at, extract(epoch from r.finished_at - r.started_at)::numeric as duration_seconds,
       r.occurred_at, d.detected_language, d.translated, d.format_valid,
       d.overall_score, d.judge_score, d.semantic_entropy, d.complexity_score,
       d.length_chars, d.length_words, jsonb_array_length(d.contradictions) as contradictions, r.meta, r.created_at
  from ops.analysis_run r
  join ops.organization o on o.id = r.organization_id
  left join core.analysis_results d on d.organization_id = r.organization_id and d.analysis_run_id = r.id
  left join core.prompts p on p.organization_id = r.organization_id and p.id = r.prompt_id
  left join core.users u on u.id = r.user_id;
grant select on report.analyses to curestry_analyst;
comment on view report.analyses is
  'The analyses, one row a run, with the numbers of its document and the name of its prompt.';
comment on column report.analyses.organization is 'Slug of the organization.';
comment on column report.analyses.analysis_run_id is
  'Identifies the run; joins to report.judge_scores and report.metrics.';
comment on column report.analyses.status is 'queued, running, succeeded, failed or cancelled.';
comment on column report.analyses.prompt_id is 'The prompt; null if the text was not a saved prompt.';
comment on column report.analyses.prompt_name is 'Name of the prompt, as it is now.';
comment on column report.analyses.user_email is 'Who started it.';
comment on column report.analyses.started_at is 'When work on it started.';
comment on column report.analyses.finished_at is 'When it ended.';
comment on column report.analyses.duration_seconds is 'From start to end, in seconds.';
comment on column report.analyses.occurred_at is 'The time that it counts for in the marts.';
comment on column report.analyses.detected_language is 'Code of the language that was found.';
comment on column report.analyses.translated is 'Whether the text was translated first.';
comment on column report.analyses.format_valid is 'Whether the text is well formed in its format.';
comment on column report.analyses.overall_score is 'Overall quality, 0 to 10.';
comment on column report.analyses.judge_score is 'What the LLM judges gave, 0 to 10.';
comment on column report.analyses.semantic_entropy is 'Semantic entropy, at least 0.';
comment on column report.analyses.complexity_score is 'Complexity, 0 to 10.';
comment on column report.analyses.length_chars is 'Length in characters.';
comment on column report.analyses.length_words is 'Length in words.';
comment on column report.analyses.contradictions is 'How many contradictions were found.';
comment on column report.analyses.meta is 'Anything else, a JSON object.';
comment on column report.analyses.created_at is 'When it was recorded.';
