/*
 * core.analysis_results: generated from the database by `deno task generate`
 *
 *   id                       varchar           not null default gen_random_uuid()
 *   prompt_id                varchar
 *   prompt_content           text              not null
 *   detected_language        varchar(10)       not null
 *   translated               boolean           not null default false
 *   format_valid             boolean           not null default true
 *   overall_score            double precision  not null
 *   judge_score              double precision  not null
 *   semantic_entropy         double precision  not null
 *   complexity_score         double precision  not null
 *   length_chars             integer           not null
 *   length_words             integer           not null
 *   contradictions           jsonb             not null default '[]'
 *   patches                  jsonb             not null default '[]'
 *   clarify_questions        jsonb             not null default '[]'
 *   analysis_extra_metadata  jsonb             not null default '{}'
 *   created_at               timestamptz       not null default now()
 *   organization_id          uuid              not null default app.organization_id()
 *   analysis_run_id          uuid              not null
 *   occurred_at              timestamptz       not null default now()
 *   prompt_version_id        uuid
 *
 *   pk_analysis_results                           primary key (organization_id, id)
 *   unq_analysis_results_analysis_run_id          unique (organization_id, analysis_run_id)
 *   fk_analysis_results_analysis_run_id           foreign key (organization_id, analysis_run_id) references
 *                                                   ops.analysis_run(organization_id, id) on delete cascade
 *   fk_analysis_results_prompt_id                 foreign key (organization_id, prompt_id) references
 *                                                   core.prompts(organization_id, id)
 *   fk_analysis_results_prompt_version_id         foreign key (organization_id, prompt_version_id) references
 *                                                   core.prompt_versions(organization_id, id)
 *   chk_analysis_results_analysis_extra_metadata  check (jsonb_typeof(analysis_extra_metadata) = 'object' and
 *                                                   octet_length(analysis_extra_metadata) <= 1048576 and not
 *                                                   jsonb_path_exists(analysis_extra_metadata, '$.**{33}'))
 *   chk_analysis_results_clarify_questions        check (jsonb_typeof(clarify_questions) = 'array' and
 *                                                   octet_length(clarify_questions) <= 1048576 and not
 *                                                   jsonb_path_exists(clarify_questions, '$.**{33}'))
 *   chk_analysis_results_complexity_score         check (complexity_score >= 0::double precision and complexity_score
 *                                                   <= 10::double precision)
 *   chk_analysis_results_contradictions           check (jsonb_typeof(contradictions) = 'array' and
 *                                                   octet_length(contradictions) <= 1048576 and not
 *                                                   jsonb_path_exists(contradictions, '$.**{33}'))
 *   chk_analysis_results_judge_score              check (judge_score >= 0::double precision and judge_score <=
 *                                                   10::double precision)
 *   chk_analysis_results_length_chars             check (length_chars >= 0)
 *   chk_analysis_results_length_words             check (length_words >= 0)
 *   chk_analysis_results_overall_score            check (overall_score >= 0::double precision and overall_score <=
 *                                                   10::double precision)
 *   chk_analysis_results_patches                  check (jsonb_typeof(patches) = 'array' and octet_length(patches) <=
 *                                                   1048576 and not jsonb_path_exists(patches, '$.**{33}'))
 *   chk_analysis_results_prompt_content           check (octet_length(prompt_content) <= 1048576)
 *   chk_analysis_results_semantic_entropy         check (semantic_entropy >= 0::double precision and semantic_entropy <
 *                                                   'Infinity'::double precision)
 *
 *   idx_analysis_results_complexity_score   index (organization_id, complexity_score, id)
 *   idx_analysis_results_created_at         index (organization_id, created_at, id)
 *   idx_analysis_results_detected_language  index (organization_id, detected_language)
 *   idx_analysis_results_judge_score        index (organization_id, judge_score, id)
 *   idx_analysis_results_metadata_gin       index using gin (organization_id, analysis_extra_metadata)
 *   idx_analysis_results_occurred_at        index (organization_id, occurred_at)
 *   idx_analysis_results_overall_score      index (organization_id, overall_score, id)
 *   idx_analysis_results_prompt_id          index (organization_id, prompt_id)
 *   idx_analysis_results_prompt_version_id  index (organization_id, prompt_version_id)
 *   idx_analysis_results_recent             index (created_at)
 *   idx_analysis_results_semantic_entropy   index (organization_id, semantic_entropy, id)
 */

select app.table_usual_comments('core.analysis_results');
comment on table core.analysis_results is
  E'@unique id\nThe document of a finished analysis: what was found out about one prompt text.';
comment on column core.analysis_results.id is 'Identifies the document, a UUID as text; unique across organizations.';
comment on column core.analysis_results.prompt_id is
  'The prompt that was analysed; null if the text was not a saved prompt.';
comment on column core.analysis_results.prompt_content is 'The text as it was when it was analysed.';
comment on column core.analysis_results.detected_language is 'Code of the language that was found.';
comment on column core.analysis_results.translated is 'Whether the text was translated before it was analysed.';
comment on column core.analysis_results.format_valid is 'Whether the text is well formed in its format.';
comment on column core.analysis_results.overall_score is 'Overall quality, 0 to 10.';
comment on column core.analysis_results.judge_score is 'What the LLM judges gave, 0 to 10.';
comment on column core.analysis_results.semantic_entropy is
  'Semantic entropy of the answers to the prompt, at least 0; higher is less certain.';
comment on column core.analysis_results.complexity_score is 'Complexity, 0 to 10.';
comment on column core.analysis_results.length_chars is 'Length in characters.';
comment on column core.analysis_results.length_words is 'Length in words.';
comment on column core.analysis_results.contradictions is 'Contradictions found, a JSON array.';
comment on column core.analysis_results.patches is 'Proposed changes, a JSON array.';
comment on column core.analysis_results.clarify_questions is
  'Questions that would make the prompt clearer, a JSON array.';
comment on column core.analysis_results.analysis_extra_metadata is 'Anything else, a JSON object.';
comment on column core.analysis_results.analysis_run_id is 'The run that this is the document of.';
comment on column core.analysis_results.occurred_at is 'The time that it counts for: the end of its run.';
comment on column core.analysis_results.prompt_version_id is
  'The version of the prompt that was analysed; null if the text is none of its versions.';
comment on constraint unq_analysis_results_analysis_run_id on core.analysis_results is 'A run has one document.';
comment on constraint fk_analysis_results_analysis_run_id on core.analysis_results is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_analysis_results_prompt_id on core.analysis_results is
  'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_results_prompt_version_id on core.analysis_results is
  'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_results_prompt_content on core.analysis_results is
  'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_results_overall_score on core.analysis_results is
  'overall_score must be from 0 to 10';
comment on constraint chk_analysis_results_judge_score on core.analysis_results is 'judge_score must be from 0 to 10';
comment on constraint chk_analysis_results_semantic_entropy on core.analysis_results is
  'semantic_entropy must be a number of at least 0';
comment on constraint chk_analysis_results_complexity_score on core.analysis_results is
  'complexity_score must be from 0 to 10';
comment on constraint chk_analysis_results_length_chars on core.analysis_results is 'length_chars must be at least 0';
comment on constraint chk_analysis_results_length_words on core.analysis_results is 'length_words must be at least 0';
comment on constraint chk_analysis_results_contradictions on core.analysis_results is
  'contradictions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_patches on core.analysis_results is
  'patches must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_clarify_questions on core.analysis_results is
  'clarify_questions must be a JSON array of at most 1 MiB, nested at most 32 deep';
comment on constraint chk_analysis_results_analysis_extra_metadata on core.analysis_results is
  'extraMetadata must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table core.analysis_results alter column organization_id set default app.organization_id();

select app.table_protect('core.analysis_results');
select app.table_policies_for_members('core.analysis_results', to_read => 'analyses:read');
select app.table_policy_for_analysts('core.analysis_results');

grant select on core.analysis_results to curestry_member;
grant select on core.analysis_results to curestry_analyst;
grant select, insert on core.analysis_results to curestry_definer;

create or replace trigger _500_metrics_insert after insert on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
create or replace trigger _500_metrics_update after update on core.analysis_results
  referencing new table as new_rows for each statement execute function app.tg_analysis_results__metrics();
select app.mart_source_table('core.analysis_results', 'analysis', trigger_function => 'tg__mart_changes_of_runs');
select app.audit_table('core.analysis_results');
