comment on type ops.analysis_item is 'An analysis to record: what was analysed, how it went, and what came out.';
comment on column ops.analysis_item.idempotency_key is
  'Chosen by you: the same key with the same content again changes nothing, so that a call can be repeated.';
comment on column ops.analysis_item.prompt_id is
  'The saved prompt that was analysed; this or promptContent is required.';
comment on column ops.analysis_item.prompt_content is
  'The text that was analysed; if absent, the text of the prompt as it is now.';
comment on column ops.analysis_item.status is
  E'@words AnalysisRunStatus\nqueued, running, succeeded (the default), failed or cancelled.';
comment on column ops.analysis_item.started_at is 'When work on it started; if absent, finishedAt.';
comment on column ops.analysis_item.finished_at is 'When it ended; if absent and it has ended, now.';
comment on column ops.analysis_item.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_item.result is 'The document of the analysis.';
comment on column ops.analysis_item.metrics is 'Measured values, each under a key of its own.';
comment on column ops.analysis_item.node_results is 'What the nodes of the pipeline found.';
comment on column ops.analysis_item.scores is 'What judges gave.';

comment on type ops.analysis_result_item is 'The document of an analysis. Its numbers are metrics of the run too.';
comment on column ops.analysis_result_item.detected_language is 'Code of the language that was found; required.';
comment on column ops.analysis_result_item.translated is
  'Whether the text was translated before it was analysed; false if absent.';
comment on column ops.analysis_result_item.format_valid is
  'Whether the text is well formed in its format; true if absent.';
comment on column ops.analysis_result_item.overall_score is 'Overall quality, 0 to 10; required.';
comment on column ops.analysis_result_item.judge_score is 'What the LLM judges gave, 0 to 10; required.';
comment on column ops.analysis_result_item.semantic_entropy is 'Semantic entropy, at least 0; required.';
comment on column ops.analysis_result_item.complexity_score is 'Complexity, 0 to 10; required.';
comment on column ops.analysis_result_item.length_chars is 'Length in characters; counted if absent.';
comment on column ops.analysis_result_item.length_words is 'Length in words; counted if absent.';
comment on column ops.analysis_result_item.contradictions is 'Contradictions found, a JSON array.';
comment on column ops.analysis_result_item.patches is 'Proposed changes, a JSON array.';
comment on column ops.analysis_result_item.clarify_questions is
  'Questions that would make the prompt clearer, a JSON array.';
comment on column ops.analysis_result_item.extra_metadata is 'Anything else, a JSON object.';

comment on type ops.analysis_metric_item is 'A measured value: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric_item.key is 'What was measured; once per analysis.';
comment on column ops.analysis_metric_item.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric_item.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric_item.value_json is 'The value, if it is JSON.';

comment on type ops.analysis_node_result_item is 'What one node of the pipeline found.';
comment on column ops.analysis_node_result_item.node is
  'entropy, llm_judge, rag_oracle, regex_checks or another; once per analysis.';
comment on column ops.analysis_node_result_item.status is E'@words NodeResultStatus\nok, warn, fail or error.';
comment on column ops.analysis_node_result_item.score is E'@float\n0 to 10.';
comment on column ops.analysis_node_result_item.details is 'What was found, a JSON object.';

comment on type ops.judge_score_item is 'What a judge gave by one criterion.';
comment on column ops.judge_score_item.rubric is 'Name of the rubric; its newest version is meant.';
comment on column ops.judge_score_item.criterion is 'Key of the criterion.';
comment on column ops.judge_score_item.score is E'@float\n0 to 10.';
comment on column ops.judge_score_item.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score_item.evidence is 'What the judge goes by, a JSON object.';

comment on type ops.record_outcome is 'The outcome of an item of recordAnalyses.';
comment on column ops.record_outcome.outcome is
  E'@words RecordOutcomeKind\n'
  '@word inserted It was recorded.\n'
  '@word unchanged It was there already, with the same content.\n'
  '@word conflict Its key is taken by another content.\n'
  '@word invalid It breaks a rule, and was not recorded.\n'
  '@notNull\n'
  'inserted; unchanged: the key is known with the same content; conflict: the key is known with another content; '
  'invalid: not recorded.';
comment on column ops.record_outcome.analysis_run_id is 'The run that was recorded, now or earlier; null if invalid.';
comment on column ops.record_outcome.message is 'Why the item is in conflict or invalid.';
grant usage on type ops.analysis_metric_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_node_result_item to curestry_member, curestry_definer;
grant usage on type ops.judge_score_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_result_item to curestry_member, curestry_definer;
grant usage on type ops.analysis_item to curestry_member, curestry_definer;
grant usage on type ops.record_outcome to curestry_member, curestry_definer;
