--! Previous: sha1:a515b1dd66f0fc56fcbc0daefd6cd3d83ac7449d
--! Hash: sha1:cdbe58279bb0499d6210ff43858fa4d1fac23ebc
--! Message: marts, recording and audit cost less

set local lock_timeout = '3s';

create index if not exists idx_mart_change_hour on app.mart_change (organization_id, hour);
drop function if exists app.mart_compute_metric_timeseries(uuid, text, timestamptz[], timestamptz[]);
drop function if exists app.mart_merge_metric_timeseries(uuid, text, text, text, timestamptz[], timestamptz[]);
drop function if exists app.bucket_value_json(integer[], bigint[], numeric, numeric, text[], bigint[], bigint);
drop function if exists app.bucket_value_json_of_equals(numeric, bigint);

--! Included app/marts/tg__mart_changes.sql
/*
 * The statement that changes facts records the changes; nothing is queued or notified inside a writer's transaction.
 * The arguments are the source, and the name by which callers know the time field.
 */
create or replace function app.tg__mart_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  if TG_OP = 'INSERT' then
    if exists (select from new_rows n
                 join app.mart_state s on s.organization_id = n.organization_id
                where n.occurred_at < s.facts_immutable_before) then
      perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
         from new_rows n
        group by n.organization_id;
    end if;
  elsif TG_OP = 'UPDATE' then
    perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
       from new_rows n
       join old_rows o on o.organization_id = n.organization_id and o.id = n.id
      where n.occurred_at <> o.occurred_at
      group by n.organization_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes owner to curestry_definer;
revoke execute on function app.tg__mart_changes from public;
comment on function app.tg__mart_changes is
  'Trigger: records the hours whose facts changed, for the worker to bring the marts up to date; refuses facts of '
  'times that are not kept.';
--! EndIncluded app/marts/tg__mart_changes.sql
--! Included app/marts/tg__mart_changes_of_runs.sql
/*
 * A document and a judgement count when their run ended, whatever their own time is. While a run is unfinished, a
 * transaction that changes what belongs to it and one that ends it wait for each other, so that the recorded hour is
 * the one in which it will count. "offset 0", and "for share", have each run looked up by its key, whatever the planner
 * thinks of the table.
 */
create or replace function app.tg__mart_changes_of_runs() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    perform from old_rows n,
         lateral (select from ops.analysis_run r
                   where r.organization_id = n.organization_id and r.id = n.analysis_run_id and r.finished_at is null
                     for share) r;
    insert into app.mart_change (organization_id, source, hour)
    select distinct n.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from old_rows n,
           lateral (select r.occurred_at from ops.analysis_run r
                     where r.organization_id = n.organization_id and r.id = n.analysis_run_id
                    offset 0) r;
  end if;
  if TG_OP <> 'DELETE' then
    perform from new_rows n,
         lateral (select from ops.analysis_run r
                   where r.organization_id = n.organization_id and r.id = n.analysis_run_id and r.finished_at is null
                     for share) r;
    insert into app.mart_change (organization_id, source, hour)
    select distinct n.organization_id, TG_ARGV[0], date_trunc('hour', r.occurred_at, 'UTC')
      from new_rows n,
           lateral (select r.occurred_at from ops.analysis_run r
                     where r.organization_id = n.organization_id and r.id = n.analysis_run_id
                    offset 0) r;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes_of_runs owner to curestry_definer;
revoke execute on function app.tg__mart_changes_of_runs from public;
comment on function app.tg__mart_changes_of_runs is
  'Trigger: records the hours of the runs whose document or judgements changed.';
--! EndIncluded app/marts/tg__mart_changes_of_runs.sql
--! Included app/analyses/tg_analysis_results__metrics.sql
/*
 * Written in the same transaction as the document, so that the two cannot disagree. app.analysis_item_problems refuses
 * a metric under one of these keys that says otherwise. An upsert is the exception: it fires the triggers of updates
 * too, for each statement.
 */
create or replace function app.tg_analysis_results__metrics() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_conflicts bigint := 1;
begin
  if TG_OP = 'INSERT' then
    with metric as materialized (
      select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
        from new_rows d,
             lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy,
                                                   d.complexity_score, d.length_chars, d.length_words) as m
       where m.value is not null
    ), written as (
      insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
      select m.organization_id, m.analysis_run_id, m.key, m.value, m.occurred_at from metric m
      on conflict (organization_id, analysis_run_id, key) do nothing
      returning 1
    )
    select (select count(*) from metric) - (select count(*) from written) into v_conflicts;
  end if;
  if v_conflicts > 0 then
    insert into ops.analysis_metric as a (organization_id, analysis_run_id, key, value_num, occurred_at)
    select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
      from new_rows d,
           lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy,
                                                 d.complexity_score, d.length_chars, d.length_words) as m
     where m.value is not null
    on conflict (organization_id, analysis_run_id, key) do update
      set value_num = excluded.value_num, value_text = null, value_json = null
    where (a.value_num, a.value_text, a.value_json) is distinct from (excluded.value_num, null, null);
  end if;
  return null;
end;
$$;
alter function app.tg_analysis_results__metrics owner to curestry_definer;
revoke execute on function app.tg_analysis_results__metrics from public;
comment on function app.tg_analysis_results__metrics is
  'Trigger: mirrors the numbers of an analysis document into the metrics of its run.';
--! EndIncluded app/analyses/tg_analysis_results__metrics.sql
--! Included app/analyses/analysis_resolve_scores.sql
/*
 * The judge scores of items, one row each, with the criterion that rubric name and key mean; null if there is none. Few
 * criteria are meant by many scores: each is looked up once.
 */
create or replace function app.analysis_resolve_scores(organization uuid, items ops.analysis_item[])
returns table (n bigint, rubric text, criterion text, criterion_id uuid, score numeric, comment text, evidence jsonb)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
    with score as materialized (
      select i.ordinality, s.*
        from unnest(items) with ordinality as i, lateral unnest(i.scores) as s
    ), meant as materialized (
      select m.rubric, m.criterion, c.id
        from (select distinct s.rubric, s.criterion from score s) m,
             lateral (
               select c.id
                 from ops.judge_rubric r
                 join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
                where r.organization_id = organization and r.name = m.rubric and c.key = m.criterion
                order by r.version desc
                limit 1) c
    )
    select s.ordinality, s.rubric, s.criterion, m.id, s.score, s.comment, s.evidence
      from score s
      left join meant m on m.rubric = s.rubric and m.criterion = s.criterion;
end;
$$;
alter function app.analysis_resolve_scores owner to curestry_definer;
revoke execute on function app.analysis_resolve_scores from public;
comment on function app.analysis_resolve_scores is
  'The judge scores of items with the criterion that they mean: of the newest version of the rubric with that name.';
--! EndIncluded app/analyses/analysis_resolve_scores.sql
--! Included app/analyses/analysis_item_problems.sql
/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is
 * wrong. The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's
 * comment. Of several problems of an item, the first in the order of the alphabet is told ("least" and "min").
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[])
returns text[]
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    with reserved as materialized (
      select array_agg(d.key) as keys from app.analysis_document_metrics(null, null, null, null, null, null) as d
    ), immutable as materialized (
      select max(s.facts_immutable_before) as before from app.mart_state s where s.organization_id = organization
    ), unknown_score as (
      select s.n,
             min(case
                   when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
                   when not exists (select from ops.judge_rubric r
                                     where r.organization_id = organization and r.name = s.rubric)
                     then format('scores: there is no rubric %L in this organization', s.rubric)
                   else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
                 end) as problem
        from app.analysis_resolve_scores(organization, items) as s
       where s.criterion_id is null
       group by s.n
    ), problem as (
      select i.ordinality, i.idempotency_key, least(
        case when i.prompt_id is null and i.prompt_content is null then 'promptId or promptContent is required' end,
        -- The gateway says so of an item with a text that no database could hold.
        case when i.prompt_content like U&'\FDD0%' then substr(i.prompt_content, 2) end,
        -- Of a text that is too long for its type, PostgreSQL does not say which it is.
        case when char_length(i.idempotency_key) > 255 then 'idempotencyKey must be at most 255 characters' end,
        case when char_length(i.status) > 20 then 'status must be at most 20 characters' end,
        case when char_length((i.result).detected_language) > 10
             then 'result.detectedLanguage must be at most 10 characters' end,
        case when i.prompt_id is not null
                  and not exists (select from core.prompts p
                                   where p.organization_id = organization and p.id = i.prompt_id)
             then format('promptId: there is no prompt %s in this organization', i.prompt_id) end,
        case when i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
             then format('status must be queued, running, succeeded, failed or cancelled, and is %s',
                         left(i.status, 50)) end,
        case when coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end)
                  < (select before from immutable)
             then app.retention_refusal('finishedAt', (select before from immutable)) end,
        case when i.status in ('queued', 'running') and i.result is distinct from null
             then format('result: an analysis that is %s has none yet', i.status) end,
        (select min(case
                      when char_length(m.key) > 100 then 'metrics: key must be at most 100 characters'
                      when m.key = any ((select keys from reserved)::text[]) then
                        (select format('metrics: %s must be %s, as result has it', m.key, d.value)
                           from app.analysis_document_metrics(
                                  (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy,
                                  (i.result).complexity_score, (i.result).length_chars, (i.result).length_words) as d
                          where d.key = m.key and d.value is not null
                            and (m.value_num is distinct from d.value or m.value_text is not null
                                 or m.value_json is not null))
                    end)
           from unnest(i.metrics) as m),
        (select min(least(
                  case when char_length(r.node) > 50 then 'nodeResults: node must be at most 50 characters' end,
                  case when char_length(r.status) > 20 then 'nodeResults: status must be at most 20 characters' end))
           from unnest(i.node_results) as r),
        u.problem) as problem
        from unnest(items) with ordinality as i
        left join unknown_score u on u.n = i.ordinality
    )
    select array_agg(
             case when p.problem is not null
                       -- A known key is unchanged or in conflict, whatever has become of the prompt since.
                       and not exists (select from ops.analysis_run r
                                        where r.organization_id = organization
                                          and r.idempotency_key = p.idempotency_key)
                  then p.problem end order by p.ordinality)
      from problem p);
end;
$$;
alter function app.analysis_item_problems owner to curestry_definer;
revoke execute on function app.analysis_item_problems from public;
comment on function app.analysis_item_problems is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
--! EndIncluded app/analyses/analysis_item_problems.sql
--! Included app/analyses/analysis_store_facts.sql
/*
 * The facts of runs that are in ops.analysis_run already: document, metrics, node results, judge scores. Set-based:
 * one statement a table for any number of runs. The arrays go together: items[n] belongs to run_ids[n], whose text is
 * contents[n], a version of its prompt if versions[n] says which, and whose time is times[n].
 */
create or replace function app.analysis_store_facts(
  organization uuid, run_ids uuid[], contents text[], versions uuid[], times timestamptz[], items ops.analysis_item[]
) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into core.analysis_results
    (organization_id, analysis_run_id, prompt_id, prompt_version_id, prompt_content, detected_language, translated,
     format_valid, overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words,
     contradictions, patches, clarify_questions, analysis_extra_metadata, occurred_at)
  select organization, run_ids[i.ordinality], i.prompt_id, versions[i.ordinality], c.content,
         (i.result).detected_language, coalesce((i.result).translated, false), coalesce((i.result).format_valid, true),
         (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
         coalesce((i.result).length_chars, char_length(c.content)),
         coalesce((i.result).length_words, (select count(*) from regexp_matches(c.content, '\S+', 'g'))),
         coalesce((i.result).contradictions, '[]'), coalesce((i.result).patches, '[]'),
         coalesce((i.result).clarify_questions, '[]'), coalesce((i.result).extra_metadata, '{}'), times[i.ordinality]
    from unnest(items) with ordinality as i,
         lateral (select contents[i.ordinality] as content) as c
   where i.result is distinct from null;

  -- An insert of no rows would still fire the triggers of its table.
  if exists (select from unnest(items) as i where cardinality(i.metrics) > 0) then
    insert into ops.analysis_metric
      (organization_id, analysis_run_id, key, value_num, value_text, value_json, occurred_at)
    select organization, run_ids[i.ordinality], m.key, m.value_num, m.value_text, m.value_json, times[i.ordinality]
      from unnest(items) with ordinality as i, lateral unnest(i.metrics) as m
     where i.result is not distinct from null
        -- The document's numbers are mirrored by its trigger.
        or not exists (select from app.analysis_document_metrics(null, null, null, null, null, null) as d
                        where d.key = m.key);
  end if;

  if exists (select from unnest(items) as i where cardinality(i.node_results) > 0) then
    insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, details, occurred_at)
    select organization, run_ids[i.ordinality], r.node, r.status, r.score, coalesce(r.details, '{}'),
           times[i.ordinality]
      from unnest(items) with ordinality as i, lateral unnest(i.node_results) as r;
  end if;

  if exists (select from unnest(items) as i where cardinality(i.scores) > 0) then
    insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, comment, evidence, occurred_at)
    select organization, run_ids[s.n], s.criterion_id, s.score, s.comment, coalesce(s.evidence, '{}'), times[s.n]
      from app.analysis_resolve_scores(organization, items) as s;
  end if;
end;
$$;
alter function app.analysis_store_facts owner to curestry_definer;
revoke execute on function app.analysis_store_facts from public;
comment on function app.analysis_store_facts is
  'Writes the document, metrics, node results and judge scores of runs.';
--! EndIncluded app/analyses/analysis_store_facts.sql
--! Included app/analyses/analysis_store.sql
/*
 * One attempt at a whole batch, all or nothing: a problem raises. app.analysis_record tries the batch first and, if
 * that fails, each item alone; so a good batch costs one statement a table, and one bad item does not stop the others.
 *
 * Answers, in the order of the items, the outcome and the run: "inserted"; "unchanged" if the key is known with the
 * same content, "conflict" with another. A key that another transaction is writing right now is waited for.
 */
create or replace function app.analysis_store(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_ids uuid[];
  v_digests bytea[];
  v_contents text[];
  v_versions uuid[];
  v_new uuid[];
  v_new_at integer[];
  v_times timestamptz[];
  v_answer ops.record_outcome[];
begin
  select array_agg(gen_random_uuid() order by i.ordinality),
         array_agg(sha256(convert_to((to_jsonb(i) - 'ordinality' - 'idempotency_key')::text, 'UTF8'))
                   order by i.ordinality),
         array_agg(coalesce(i.prompt_content, (select p.content from core.prompts p
                                                where p.organization_id = organization and p.id = i.prompt_id))
                   order by i.ordinality),
         array_agg(case when i.prompt_id is not null
                        then app.prompt_version_of(organization, i.prompt_id, i.prompt_content) end
                   order by i.ordinality)
    into v_ids, v_digests, v_contents, v_versions
    from unnest(items) with ordinality as i;

  with run as (
    insert into ops.analysis_run
      (id, organization_id, user_id, prompt_id, prompt_version_id, prompt_content, status, started_at, finished_at,
       meta, idempotency_key, request_digest)
    select v_ids[i.ordinality], organization, analysis_store.user_id, i.prompt_id, v_versions[i.ordinality],
           -- The document holds the content; a run without one holds it itself.
           case when i.result is not distinct from null then v_contents[i.ordinality] end,
           s.status,
           case when s.status <> 'queued' then coalesce(i.started_at, i.finished_at, now()) else i.started_at end,
           case when s.status in ('succeeded', 'failed', 'cancelled') then coalesce(i.finished_at, now())
                else i.finished_at end,
           coalesce(i.meta, '{}'), i.idempotency_key, v_digests[i.ordinality]
      from unnest(items) with ordinality as i,
           lateral (select coalesce(i.status, 'succeeded')) as s (status)
     order by i.idempotency_key -- one order of locks for all writers
    on conflict (organization_id, idempotency_key) do nothing
    returning id, occurred_at
  )
  select array_agg(r.id order by r.n), array_agg(r.occurred_at order by r.n), array_agg(r.n order by r.n)
    into v_new, v_times, v_new_at
    from (select run.id, run.occurred_at, array_position(v_ids, run.id) as n from run) r;

  if v_new is not null then
    if cardinality(v_new) = cardinality(items) then
      perform app.analysis_store_facts(organization, v_new, v_contents, v_versions, v_times, items);
    else
      perform app.analysis_store_facts(organization, v_new,
        array(select v_contents[at] from unnest(v_new_at) as at),
        array(select v_versions[at] from unnest(v_new_at) as at), v_times,
        array(select items[at] from unnest(v_new_at) as at));
    end if;
    insert into ops.feature_event (organization_id, user_id, feature_key, event_count)
    values (organization, analysis_store.user_id, 'analyses.record', cardinality(v_new));
  end if;

  if cardinality(v_new) = cardinality(items) then
    return array(select row('inserted', i.id, null)::ops.record_outcome
                   from unnest(v_ids) with ordinality as i (id, n) order by i.n);
  end if;
  select array_agg(
           case
             when v_ids[i.ordinality] = any (v_new)
               then row('inserted', v_ids[i.ordinality], null)::ops.record_outcome
             when r.request_digest = v_digests[i.ordinality] then row('unchanged', r.id, null)::ops.record_outcome
             else row('conflict', r.id, app.analysis_key_conflict(i.idempotency_key))::ops.record_outcome
           end order by i.ordinality)
    into v_answer
    from unnest(items) with ordinality as i
    left join ops.analysis_run r on r.organization_id = organization and r.idempotency_key = i.idempotency_key;
  return v_answer;
end;
$$;
alter function app.analysis_store owner to curestry_definer;
revoke execute on function app.analysis_store from public;
comment on function app.analysis_store is
  'Records a batch of analyses, all or nothing, and answers the outcome of each.';
--! EndIncluded app/analyses/analysis_store.sql
--! Included app/analyses/analysis_record.sql
/*
 * Statements are planned once in a session, also those of the triggers and of the foreign keys: a quarter of the time
 * of recording one analysis would be planning. Such a plan has to be right for tables that grow: the first one of a new
 * database would read all runs for each foreign key, until the tables are analyzed. Planner settings: sql/README.md.
 */
create or replace function app.analysis_record(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  v_problems constant text[] := app.analysis_item_problems(organization, items);
  v_answer ops.record_outcome[];
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- The whole batch at once, if it looks good: no known problem, no key twice.
  if array_remove(v_problems, null) = '{}'
     and not exists (select from unnest(items) as i where i.idempotency_key is not null
                      group by i.idempotency_key having count(*) > 1) then
    begin
      return app.analysis_store(organization, analysis_record.user_id, items);
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        null; -- one of them is bad: find out which
    end;
  end if;

  for n in 1 .. cardinality(items) loop
    begin
      if v_problems[n] is not null then
        v_answer[n] := row('invalid', null, v_problems[n])::ops.record_outcome;
      else
        v_answer[n] := (app.analysis_store(organization, analysis_record.user_id, items[n:n]))[1];
      end if;
    exception when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
      v_answer[n] := row('invalid', null, app.constraint_violation_message(
        v_state, v_message, v_schema, v_table, v_constraint, v_column))::ops.record_outcome;
    end;
  end loop;
  return v_answer;
end;
$$;
alter function app.analysis_record owner to curestry_definer;
revoke execute on function app.analysis_record from public;
comment on function app.analysis_record is
  'Records analyses of an organization; one bad item does not stop the others. Behind ops.record_analyses and the '
  'import.';
--! EndIncluded app/analyses/analysis_record.sql
--! Included app/prompts/prompt_store.sql
/*
 * lines: [{"line": 2, "record": {…}}, …]; one statement for all of them, all or nothing. The fields of a record may
 * have the names of the API or those that prompt collections use: name, act or title; content, prompt or text; tags,
 * or a category, which becomes a tag. Other fields are kept in extra_metadata. A prompt with the same name and content
 * is not imported again, be it in the table or among the lines. Planner settings: sql/README.md.
 */
create or replace function app.prompt_store(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' set plan_cache_mode = force_generic_plan
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
begin
  return query
    with record as materialized (
      select l.n, (l.line ->> 'line')::integer as line, l.line -> 'record' as fields,
             coalesce(l.line -> 'record' ->> 'content', l.line -> 'record' ->> 'prompt',
                      l.line -> 'record' ->> 'text') as content
        from jsonb_array_elements(lines) with ordinality as l (line, n)
    ), named as materialized (
      select r.*, coalesce(r.fields ->> 'name', r.fields ->> 'act', r.fields ->> 'title',
                           btrim(left(split_part(btrim(r.content, E' \t\r\n'), E'\n', 1), 80))) as name
        from record r
    ), judged as materialized (
      select n.*, gen_random_uuid()::text as new_id,
             case
               when jsonb_typeof(n.fields) <> 'object' then 'is not an object'
               when n.content is null then 'content (or prompt, or text) is required'
               when char_length(n.name) > 255 then 'name must be at most 255 characters'
               when char_length(n.fields ->> 'language') > 10 then 'language must be at most 10 characters'
               when n.fields ? 'tags' and jsonb_typeof(n.fields -> 'tags') <> 'array'
                 then 'tags must be an array of strings'
             end as problem
        from named n
    ), known as materialized (
      select j.*, p.id,
             first_value(j.n) over (partition by j.name, j.content, j.problem order by j.n) as first,
             first_value(j.new_id) over (partition by j.name, j.content, j.problem order by j.n) as first_id
        from judged j
        left join lateral (
          select p.id::text from core.prompts p
           where p.organization_id = organization and p.name = j.name and p.content = j.content and j.problem is null
           limit 1) p on true
    ), stored as (
      insert into core.prompts
        (id, organization_id, name, description, content, format_type, language, tags, extra_metadata)
      select n.new_id, organization, n.name, n.fields ->> 'description', n.content,
             coalesce(n.fields ->> 'formatType', n.fields ->> 'format_type', 'auto'),
             coalesce(n.fields ->> 'language', 'auto'),
             coalesce(n.fields -> 'tags',
                      case when n.fields ->> 'category' <> '' then jsonb_build_array(n.fields ->> 'category') end,
                      '[]'),
             coalesce(n.fields -> 'extraMetadata', n.fields -> 'extra_metadata', '{}')
               || n.fields - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                   'formatType', 'format_type', 'language', 'tags', 'category',
                                   'extraMetadata', 'extra_metadata']
        from known n
       where n.problem is null and n.id is null and n.n = n.first
       order by n.n
    )
    select k.line,
           case when k.problem is not null then 'refused' when k.id is null and k.n = k.first then 'inserted'
                else 'unchanged' end,
           case when k.problem is null then coalesce(k.id, k.first_id) end, k.problem
      from known k
     order by k.n;
end;
$$;
alter function app.prompt_store owner to curestry_definer;
revoke execute on function app.prompt_store from public;
comment on function app.prompt_store is
  'Imports prompts, all or nothing where a constraint is violated, and returns the outcome of each line.';
--! EndIncluded app/prompts/prompt_store.sql
--! Included app/prompts/prompt_import.sql
/* All lines at once; if that fails, each half by itself, so that the lines that are to blame are found. */
create or replace function app.prompt_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_half constant integer := jsonb_array_length(lines) / 2;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at the same time must not duplicate it.
  perform app.organization_lock_take(organization, 'import prompts');
  begin
    return query select s.* from app.prompt_store(organization, lines) s;
    return;
  exception
    when integrity_constraint_violation or data_exception then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
  end;
  if v_half = 0 then
    line := (lines -> 0 ->> 'line')::integer;
    outcome := 'refused';
    reason := app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    return next;
    return;
  end if;
  return query
    select i.*
      from (select jsonb_agg(l.line order by l.n) as lines
              from jsonb_array_elements(lines) with ordinality as l (line, n)
             group by l.n > v_half
             order by l.n > v_half) h,
           lateral app.prompt_import(organization, h.lines) i;
end;
$$;
alter function app.prompt_import owner to curestry_definer;
revoke execute on function app.prompt_import from public;
grant execute on function app.prompt_import to curestry_owner;
comment on function app.prompt_import is
  'Imports prompts line by line and returns the outcome of each; an invalid line does not stop the others. For '
  'operators.';
--! EndIncluded app/prompts/prompt_import.sql
--! Included app/buckets/bucket_day_start_by_search.sql
/*
 * Midnight, or the first moment after it where clocks skip it, or the first of two where clocks show it twice: the
 * first quarter of an hour with this date or a later one. Since 2000, every zone has been whole quarters of an hour
 * from UTC.
 */
create or replace function app.bucket_day_start_by_search(zone text, day date) returns timestamptz
language sql stable parallel safe set search_path = '' as $$
  select coalesce(min(m.midnight - k.n * interval '15 minutes')
                    filter (where ((m.midnight - k.n * interval '15 minutes') at time zone zone)::date >= day),
                  min(m.midnight))
    from (select day::timestamp at time zone zone as midnight) m, generate_series(0, 8) as k (n);
$$;
revoke execute on function app.bucket_day_start_by_search from public;
grant execute on function app.bucket_day_start_by_search to curestry_definer;
comment on function app.bucket_day_start_by_search is
  'When a day begins in a time zone, also where clocks change at midnight.';
--! EndIncluded app/buckets/bucket_day_start_by_search.sql
--! Included app/buckets/bucket_day_start.sql
/*
 * Midnight, where the clock goes on evenly through the two hours before it: any other answer would need a change of
 * the clock there, and app.bucket_day_start_by_search looks for it.
 */
create or replace function app.bucket_day_start(zone text, day date) returns timestamptz
language sql stable parallel safe
return case
  when (day::timestamp at time zone zone) at time zone zone = day::timestamp
   and ((day::timestamp at time zone zone) - interval '2 hours') at time zone zone = day::timestamp - interval '2 hours'
    then day::timestamp at time zone zone
  else app.bucket_day_start_by_search(zone, day)
end;
revoke execute on function app.bucket_day_start from public;
grant execute on function app.bucket_day_start to curestry_definer;
comment on function app.bucket_day_start is 'When a day begins in a time zone.';
--! EndIncluded app/buckets/bucket_day_start.sql
--! Included app/marts/mart_compute_metric_timeseries.sql
/*
 * The one definition of the mart: what a refresh writes, and what a check compares hours and days with. parts says
 * what is counted: "fact", what was recorded; "hour" or "day", the rows of smaller buckets, which are added up. NaN and
 * Infinity, which the old backends allowed, are left out.
 *
 * All buckets are one set from beginning to end, with a number for each (g): how often each slot of a sketch and each
 * text occurs there, then its place, then one row for each bucket. A call of a function for each would cost more than
 * all the rest.
 *
 * Of more than 100 distinct texts, those with the smallest hashes are kept and the others are counted together: a text
 * among the 100 of a day is among the 100 of each of its hours, so a day merged from hours equals a count of the day.
 * (The most frequent ones could not be merged: a text that is rare in every hour may be frequent in the day.)
 * "greatest" and "least" keep a quantile between the smallest and the largest number.
 *
 * "offset 0" has the planner search each bucket by itself, and "(select …)" hides which organization it is, so that
 * it expects one of usual size. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_metric_timeseries(
  organization uuid, source text, parts text, only_key text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b,
           lateral (select m.key, m.value_num, m.value_text, m.value_json from ops.analysis_metric m
                     where m.organization_id = (select organization)
                       and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric' and parts = 'fact'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.node, n.score, n.status from ops.analysis_node_result n
                     where n.organization_id = (select organization)
                       and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node' and parts = 'fact'
    union all
    select app.bucket_metric_key(c.name || ' v' || c.version || '/' || c.key), b.low, s.score, null
      from bucket b,
           lateral (select s.criterion_id, s.score from ops.judge_score s
                     where s.organization_id = (select organization)
                       and s.occurred_at >= b.low and s.occurred_at < b.high
                    offset 0) s,
           lateral (select r.name, r.version, c.key
                      from ops.judge_criterion c
                      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
                     where c.organization_id = (select organization) and c.id = s.criterion_id
                    offset 0) c
     where source = 'judge' and parts = 'fact'
    union all
    select app.bucket_metric_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           app.exact_numeric(e.metric_value), null
      from bucket b,
           lateral (select e.node_key, e.metric_name, e.metric_value from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation' and parts = 'fact'
  ), counted as materialized (
    select row_number() over () as g, s.key, s.low, count(*) as samples, count(s.num) as numbers,
           sum(s.num) as sum, min(s.num) as min, max(s.num) as max,
           array_agg(app.sketch_slot(s.num)) filter (where s.num is not null) as slots,
           array_agg(s.word) filter (where s.word is not null) as words
      from sample s
     group by s.key, s.low
  ), part as materialized (
    select p.*, dense_rank() over (order by p.key, p.low) as g, count(*) over (partition by p.key, p.low) as siblings
      from (select m.metric_key::text as key, b.low, m.value_num, m.value_json, m.sample_count, m.numeric_count,
                   m.value_sum, m.value_min, m.value_max
              from bucket b,
                   lateral (select m.* from mart.metric_timeseries m
                             where m.organization_id = (select organization) and m.granularity = parts
                               and m.ts_bucket >= b.low and m.ts_bucket < b.high
                            offset 0) m
             where m.source = mart_compute_metric_timeseries.source and only_key is null and parts <> 'fact'
            union all
            select m.metric_key, b.low, m.value_num, m.value_json, m.sample_count, m.numeric_count,
                   m.value_sum, m.value_min, m.value_max
              from bucket b,
                   lateral (select m.* from mart.metric_timeseries m
                             where m.organization_id = (select organization) and m.granularity = parts
                               and m.ts_bucket >= b.low and m.ts_bucket < b.high
                               and m.source = mart_compute_metric_timeseries.source and m.metric_key = only_key
                            offset 0) m
             where only_key is not null and parts <> 'fact') p
  ), total as materialized (
    select c.g, c.key, c.low, c.samples, c.numbers, c.sum, c.min, c.max, 0::bigint as other from counted c
    union all
    select p.g, p.key, p.low, sum(p.sample_count)::bigint, sum(p.numeric_count)::bigint, sum(p.value_sum),
           min(p.value_min), max(p.value_max), sum((p.value_json ->> 'other')::bigint)::bigint
      from part p
     where p.siblings > 1
     group by p.g, p.key, p.low
  ), slot (g, slot, n) as (
    -- Equal numbers have one slot, and all quantiles are the number: nothing to search
    select c.g, u.slot, count(*) from counted c, unnest(c.slots) as u (slot) where c.min < c.max group by c.g, u.slot
    union all
    select e.g, e.slot, sum(e.n)::bigint
      from (select p.g, app.sketch_slot(p.value_min) as slot, p.numeric_count as n
              from part p
             where p.siblings > 1 and p.value_min = p.value_max
            union all
            select p.g, e.key::integer, e.value::bigint
              from part p, lateral jsonb_each_text(p.value_json -> 'sketch') as e
             where p.siblings > 1 and p.value_min < p.value_max) e
     group by e.g, e.slot
  ), sketch as materialized (
    select s.g, min(s.slot) filter (where s.below * 100 >= s.total * 50) as p50,
           min(s.slot) filter (where s.below * 100 >= s.total * 90) as p90,
           min(s.slot) filter (where s.below * 100 >= s.total * 95) as p95,
           min(s.slot) filter (where s.below * 100 >= s.total * 99) as p99,
           jsonb_object_agg(s.slot::text, s.n) as slots
      from (select s.g, s.slot, s.n, (sum(s.n) over (partition by s.g order by s.slot))::bigint as below,
                   (sum(s.n) over (partition by s.g))::bigint as total
              from slot s) s
     group by s.g
  ), word (g, word, n) as (
    select c.g, u.word, count(*) from counted c, unnest(c.words) as u (word) group by c.g, u.word
    union all
    select p.g, e.key, sum(e.value::bigint)::bigint
      from part p, lateral jsonb_each_text(p.value_json -> 'counts') as e
     where p.siblings > 1
     group by p.g, e.key
  ), vocabulary as materialized (
    select w.g, jsonb_object_agg(w.word, w.n) filter (where w.place <= 100) as counts,
           coalesce(sum(w.n) filter (where w.place > 100), 0) as other
      from (select w.g, w.word, w.n,
                   row_number() over (partition by w.g order by md5(w.word), w.word collate "C") as place
              from word w) w
     group by w.g
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when v.counts is null then n.value_json
              else coalesce(n.value_json, '{}') || jsonb_build_object('counts', v.counts)
                   || case when v.other + coalesce(t.other, 0) > 0
                           then jsonb_build_object('other', v.other + coalesce(t.other, 0)) else '{}' end
         end,
         t.samples, t.numbers, t.sum, t.min, t.max
    from total t
    left join sketch s on s.g = t.g
    left join vocabulary v on v.g = t.g
   cross join lateral (
      select case
               when t.min = t.max then
                 jsonb_build_object('p50', t.min, 'p90', t.min, 'p95', t.min, 'p99', t.min,
                                    'sketch', jsonb_build_object(app.sketch_slot(t.min)::text, t.numbers))
               when t.numbers > 0 then
                 jsonb_build_object('p50', least(greatest(app.sketch_value(s.p50), t.min), t.max),
                                    'p90', least(greatest(app.sketch_value(s.p90), t.min), t.max),
                                    'p95', least(greatest(app.sketch_value(s.p95), t.min), t.max),
                                    'p99', least(greatest(app.sketch_value(s.p99), t.min), t.max), 'sketch', s.slots)
             end as value_json) n
  union all
  -- A single part is used as it is
  select p.key, p.low, p.value_num, p.value_json, p.sample_count, p.numeric_count, p.value_sum, p.value_min, p.value_max
    from part p
   where p.siblings = 1;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'mart.metric_timeseries of an organization and a source, of one key or of all, for buckets with these starts and '
  'ends: computed from what was recorded ("fact"; of all keys), or merged from its hours or days ("hour", "day").';
--! EndIncluded app/marts/mart_compute_metric_timeseries.sql
--! Included app/marts/mart_refresh_metric_timeseries.sql
/*
 * Rows that are right are not touched: an upsert would lock each of them, and write that. Nothing else writes to the
 * marts at the same time; see app.mart_refresh_organization. Rows are found by bucket, and then by ctid: by id, the
 * planner might read all rows that it expects of an organization. Planner settings: sql/README.md; a join of what was
 * computed with what is there may hash.
 */
create or replace function app.mart_refresh_metric_timeseries(
  organization uuid, source text, bucket_size text, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_metric_timeseries(
             organization, mart_refresh_metric_timeseries.source,
             case bucket_size when 'hour' then 'fact' else 'hour' end, null, lows, highs)
  ), present as materialized (
    select t.*
      from unnest(lows, highs) as b (low, high),
           lateral (select t.ctid as place, t.metric_key::text, t.ts_bucket, t.source, t.value_num, t.value_json,
                           t.sample_count, t.numeric_count, t.value_sum, t.value_min, t.value_max
                      from mart.metric_timeseries t
                     where t.organization_id = (select organization) and t.granularity = bucket_size
                       and t.ts_bucket >= b.low and t.ts_bucket < b.high
                    offset 0) t
     where t.source = mart_refresh_metric_timeseries.source
  ), gone as (
    delete from mart.metric_timeseries
     where ctid = any (array(
             select p.place from present p
              where (p.metric_key, p.ts_bucket) not in (select c.metric_key, c.ts_bucket from computed c)))
  ), corrected as (
    update mart.metric_timeseries m
       set value_num = c.value_num, value_json = c.value_json, sample_count = c.sample_count,
           numeric_count = c.numeric_count, value_sum = c.value_sum, value_min = c.value_min, value_max = c.value_max
      from computed c
      join present p on p.metric_key = c.metric_key and p.ts_bucket = c.ts_bucket
     where m.ctid = p.place
       and (p.value_num, p.value_json, p.sample_count, p.numeric_count, p.value_sum, p.value_min, p.value_max)
           is distinct from (c.value_num, c.value_json, c.sample_count, c.numeric_count,
                             c.value_sum, c.value_min, c.value_max)
  )
  insert into mart.metric_timeseries
    (organization_id, source, metric_key, granularity, ts_bucket, value_num, value_json,
     sample_count, numeric_count, value_sum, value_min, value_max)
  select organization, mart_refresh_metric_timeseries.source, c.metric_key, bucket_size, c.ts_bucket,
         c.value_num, c.value_json, c.sample_count, c.numeric_count,
         c.value_sum, c.value_min, c.value_max
    from computed c
   where (c.metric_key, c.ts_bucket) not in (select p.metric_key, p.ts_bucket from present p);
$$;
alter function app.mart_refresh_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_refresh_metric_timeseries from public;
comment on function app.mart_refresh_metric_timeseries is
  'Brings these buckets of mart.metric_timeseries up to date: hours from what was recorded, days from the hours.';
--! EndIncluded app/marts/mart_refresh_metric_timeseries.sql
--! Included app/marts/mart_refresh_analysis_hourly.sql
/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_hourly(
  organization uuid, lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_analysis_hourly(organization, lows, highs)
  ), present as materialized (
    select h.*
      from unnest(lows, highs) as b (low, high),
           lateral (select h.ctid as place, h.ts_bucket, h.dimension::text, h.value::text, h.analyses, h.scored,
                           h.overall_count, h.sum_overall, h.entropy_count, h.sum_entropy, h.judged, h.sum_judged
                      from mart.analysis_hourly h
                     where h.organization_id = (select organization)
                       and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
  ), gone as (
    delete from mart.analysis_hourly
     where ctid = any (array(
             select p.place from present p
              where (p.ts_bucket, p.dimension, p.value)
                    not in (select c.ts_bucket, c.dimension, c.value from computed c)))
  ), corrected as (
    update mart.analysis_hourly m
       set analyses = c.analyses, scored = c.scored, overall_count = c.overall_count, sum_overall = c.sum_overall,
           entropy_count = c.entropy_count, sum_entropy = c.sum_entropy, judged = c.judged, sum_judged = c.sum_judged
      from computed c
      join present p on p.ts_bucket = c.ts_bucket and p.dimension = c.dimension and p.value = c.value
     where m.ctid = p.place
       and (p.analyses, p.scored, p.overall_count, p.sum_overall, p.entropy_count, p.sum_entropy,
            p.judged, p.sum_judged)
           is distinct from (c.analyses, c.scored, c.overall_count, c.sum_overall, c.entropy_count, c.sum_entropy,
                             c.judged, c.sum_judged)
  )
  insert into mart.analysis_hourly
    (organization_id, ts_bucket, dimension, value, analyses, scored, overall_count, sum_overall,
     entropy_count, sum_entropy, judged, sum_judged)
  select organization, c.*
    from computed c
   where (c.ts_bucket, c.dimension, c.value) not in (select p.ts_bucket, p.dimension, p.value from present p);
$$;
alter function app.mart_refresh_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_hourly from public;
comment on function app.mart_refresh_analysis_hourly is
  'Brings these hours of mart.analysis_hourly up to date.';
--! EndIncluded app/marts/mart_refresh_analysis_hourly.sql
--! Included app/marts/mart_refresh_analysis_daily.sql
/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_analysis_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with merged as materialized (
    select b.day, h.dimension::text, h.value::text,
           sum(h.analyses)::bigint as analyses, sum(h.scored)::bigint as scored,
           sum(h.sum_overall) / nullif(sum(h.overall_count), 0) as avg_overall, sum(h.sum_overall) as sum_overall,
           sum(h.sum_entropy) / nullif(sum(h.entropy_count), 0) as avg_entropy, sum(h.sum_entropy) as sum_entropy,
           sum(h.judged)::bigint as judged, sum(h.sum_judged) / nullif(sum(h.judged), 0) as avg_judged,
           sum(h.sum_judged) as sum_judged
      from unnest(days, lows, highs) as b (day, low, high),
           lateral (select h.* from mart.analysis_hourly h
                     where h.organization_id = (select organization) and h.ts_bucket >= b.low and h.ts_bucket < b.high
                    offset 0) h
     group by b.day, h.dimension, h.value
  ), present as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.analyses, m.scored, m.avg_overall, m.sum_overall,
                           m.avg_entropy, m.sum_entropy
                      from mart.analysis_daily m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), present_by as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.dimension::text, m.value::text, m.analyses, m.scored,
                           m.avg_overall, m.sum_overall, m.avg_entropy, m.sum_entropy,
                           m.judged, m.avg_judged, m.sum_judged
                      from mart.analysis_daily_by m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), gone as (
    delete from mart.analysis_daily
     where ctid = any (array(
             select p.place from present p
              where p.day not in (select c.day from merged c where c.dimension = 'all')))
  ), gone_by as (
    delete from mart.analysis_daily_by
     where ctid = any (array(
             select p.place from present_by p
              where (p.day, p.dimension, p.value) not in (select c.day, c.dimension, c.value from merged c)))
  ), corrected as (
    update mart.analysis_daily m
       set analyses = c.analyses, scored = c.scored, avg_overall = c.avg_overall, sum_overall = c.sum_overall,
           avg_entropy = c.avg_entropy, sum_entropy = c.sum_entropy
      from merged c
      join present p on p.day = c.day
     where m.ctid = p.place and c.dimension = 'all'
       and (p.analyses, p.scored, p.avg_overall, p.sum_overall, p.avg_entropy, p.sum_entropy)
           is distinct from (c.analyses, c.scored, c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy)
  ), corrected_by as (
    update mart.analysis_daily_by m
       set analyses = c.analyses, scored = c.scored, avg_overall = c.avg_overall, sum_overall = c.sum_overall,
           avg_entropy = c.avg_entropy, sum_entropy = c.sum_entropy, judged = c.judged, avg_judged = c.avg_judged,
           sum_judged = c.sum_judged
      from merged c
      join present_by p on p.day = c.day and p.dimension = c.dimension and p.value = c.value
     where m.ctid = p.place
       and (p.analyses, p.scored, p.avg_overall, p.sum_overall, p.avg_entropy, p.sum_entropy,
            p.judged, p.avg_judged, p.sum_judged)
           is distinct from (c.analyses, c.scored, c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
                             c.judged, c.avg_judged, c.sum_judged)
  ), added as (
    insert into mart.analysis_daily
      (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
    select organization, c.day, c.analyses, c.avg_overall, c.avg_entropy, c.scored, c.sum_overall, c.sum_entropy
      from merged c
     where c.dimension = 'all' and c.day not in (select p.day from present p)
  )
  insert into mart.analysis_daily_by
    (organization_id, day, dimension, value, analyses, scored, avg_overall, sum_overall, avg_entropy, sum_entropy,
     judged, avg_judged, sum_judged)
  select organization, c.day, c.dimension, c.value, c.analyses, c.scored,
         c.avg_overall, c.sum_overall, c.avg_entropy, c.sum_entropy,
         c.judged, c.avg_judged, c.sum_judged
    from merged c
   where c.dimension <> 'all'
     and (c.day, c.dimension, c.value) not in (select p.day, p.dimension, p.value from present_by p);
$$;
alter function app.mart_refresh_analysis_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_analysis_daily from public;
comment on function app.mart_refresh_analysis_daily is
  'Brings these days of mart.analysis_daily and mart.analysis_daily_by up to date, from the hours of '
  'mart.analysis_hourly.';
--! EndIncluded app/marts/mart_refresh_analysis_daily.sql
--! Included app/marts/mart_refresh_feature_daily.sql
/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_feature_daily(organization, days, lows, highs)
  ), present as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.feature_key::text, m.events, m.unique_users
                      from mart.feature_daily m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), gone as (
    delete from mart.feature_daily
     where ctid = any (array(
             select p.place from present p
              where (p.day, p.feature_key) not in (select c.day, c.feature_key from computed c)))
  ), corrected as (
    update mart.feature_daily m
       set events = c.events, unique_users = c.unique_users
      from computed c
      join present p on p.day = c.day and p.feature_key = c.feature_key
     where m.ctid = p.place and (p.events, p.unique_users) is distinct from (c.events, c.unique_users)
  )
  insert into mart.feature_daily (organization_id, day, feature_key, events, unique_users)
  select organization, c.*
    from computed c
   where (c.day, c.feature_key) not in (select p.day, p.feature_key from present p);
$$;
alter function app.mart_refresh_feature_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_feature_daily from public;
comment on function app.mart_refresh_feature_daily is
  'Brings these days of mart.feature_daily up to date.';
--! EndIncluded app/marts/mart_refresh_feature_daily.sql
--! Included app/marts/mart_changed_hours.sql
/* A loose index scan: many changes of one hour cost no more than one. */
create or replace function app.mart_changed_hours(
  organization uuid, from_ts timestamptz, before timestamptz, most integer) returns setof timestamptz
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with recursive changed as (
    (select m.hour from app.mart_change m
      where m.organization_id = organization and m.hour >= from_ts and m.hour < before order by m.hour limit 1)
    union all
    select n.hour
      from changed p,
           lateral (select m.hour from app.mart_change m
                     where m.organization_id = organization and m.hour > p.hour and m.hour < before
                     order by m.hour limit 1) n
  )
  select hour from changed limit most;
$$;
alter function app.mart_changed_hours owner to curestry_definer;
revoke execute on function app.mart_changed_hours from public;
comment on function app.mart_changed_hours is
  'The first so many hours within a span of time that an organization''s marts have changes of.';
--! EndIncluded app/marts/mart_changed_hours.sql
--! Included app/marts/mart_refresh_organization.sql
/*
 * One slice of what an organization's marts are behind, so that a transaction is short however long a history is: the
 * changes of at most 500 hours, or 100 days of a rebuild. It begins with the hour of the oldest change, which so never
 * waits for more than one slice after it is the oldest, and goes on with the hours after it, then with the first ones:
 * hours of one day are in one slice, whatever the order in which they changed, and the day is merged once.
 *
 * It deletes those changes and recomputes exactly their hours and days, in one transaction: after a crash, the changes
 * are still there. The lock is taken before the statement that deletes the changes, whose snapshot then sees everything
 * that an earlier worker wrote. The time zone is read in that same statement: whoever sees a new zone also sees the
 * change that announces it. While a rebuild goes on, other changes wait for its end.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_oldest timestamptz;
  v_slice timestamptz[];
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform app.organization_lock_take(organization, 'marts');
  select m.hour into v_oldest from app.mart_change m where m.organization_id = organization order by m.id limit 1;
  if not found then
    return 0;
  end if;
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour = '-infinity')
     or exists (select from ops.organization o
                  left join app.mart_state s on s.organization_id = o.id
                 where o.id = organization
                   and (s.rebuild_change_id is not null or coalesce(s.time_zone, 'UTC') <> o.time_zone)) then
    return app.mart_rebuild_organization(organization);
  end if;
  v_slice := array(select app.mart_changed_hours(organization, v_oldest, 'infinity', 500));
  v_slice := v_slice || array(select app.mart_changed_hours(organization, '-infinity', v_oldest,
                                                            500 - cardinality(v_slice)));
  with deleted as (
    delete from app.mart_change m
     where m.ctid = any (array(select c.ctid from app.mart_change c
                                where c.organization_id = organization and c.hour = any (v_slice)
                                  and c.hour <> '-infinity'
                                limit 100000))
    returning m.source, m.hour
  ), change as (
    select distinct source, hour from deleted
  )
  select (select array_agg(c.source) from change c), (select array_agg(c.hour) from change c),
         coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity')
    into v_sources, v_hours, v_zone, v_immutable_before
    from (values (organization)) as i (id)
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.bucket_hours(v_zone, array(
             select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_immutable_before;
    perform app.mart_refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.mart_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_refresh_organization from public;
grant execute on function app.mart_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_refresh_organization is
  'Brings a slice of the marts of one organization up to date; returns how many hours. Call it again while '
  'app.mart_is_behind.';
--! EndIncluded app/marts/mart_refresh_organization.sql
--! Included app/mart_upkeep/mart_compare_day.sql
/*
 * Recomputes everything from what was recorded, also what a refresh merges from hours. It is one statement with one
 * snapshot, which sees facts, marts and changes as a writer or a refresh committed them together: a difference that
 * is not waiting is an error. Planner settings: sql/README.md.
 */
create or replace function app.mart_compare_day(
  organization uuid, zone text, day date, low timestamptz, high timestamptz)
returns table (mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language sql stable security definer set search_path = '' set enable_seqscan = off set jit = off as $$
  with hour as materialized (
    select array_agg(h.low) as lows, array_agg(h.high) as highs
      from app.bucket_hours(zone, array(
             select generate_series(date_trunc('hour', mart_compare_day.low, 'UTC'),
                                    mart_compare_day.high - interval '1 microsecond', interval '1 hour'))) as h
     where h.low >= mart_compare_day.low and h.low < mart_compare_day.high
  ), analysis as materialized (
    select a.dimension, a.value,
           jsonb_build_object('analyses', a.analyses, 'scored', a.scored,
                              'avg_overall', a.sum_overall / nullif(a.overall_count, 0), 'sum_overall', a.sum_overall,
                              'avg_entropy', a.sum_entropy / nullif(a.entropy_count, 0),
                              'sum_entropy', a.sum_entropy) as state,
           jsonb_build_object('judged', a.judged, 'avg_judged', a.sum_judged / nullif(a.judged, 0),
                              'sum_judged', a.sum_judged) as judgement
      from app.mart_compute_analysis_hourly(
             organization, array[mart_compare_day.low], array[mart_compare_day.high]) as a
  ), expected as (
    select 'metric_timeseries' as mart,
           g.size || ' ' || to_char(c.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           s.source, case s.source when 'metric' then '' else s.source || ' ' end || c.metric_key as key,
           jsonb_build_object('value_num', c.value_num, 'value_json', c.value_json,
                              'sample_count', c.sample_count, 'numeric_count', c.numeric_count,
                              'value_sum', c.value_sum, 'value_min', c.value_min, 'value_max', c.value_max) as state
      from hour h,
           unnest(array['metric', 'node', 'judge', 'evaluation']) as s (source),
           unnest(array['hour', 'day']) as g (size),
           lateral app.mart_compute_metric_timeseries(
             organization, s.source, 'fact', null,
             case g.size when 'hour' then h.lows else array[mart_compare_day.low] end,
             case g.size when 'hour' then h.highs else array[mart_compare_day.high] end) as c
    union all
    select 'analysis_hourly', to_char(a.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(a.dimension || ' ' || a.value),
           to_jsonb(a) - '{ts_bucket,dimension,value}'::text[]
      from hour h, lateral app.mart_compute_analysis_hourly(organization, h.lows, h.highs) as a
    union all
    select 'analysis_daily', mart_compare_day.day::text, 'analysis', '', a.state
      from analysis a where a.dimension = 'all'
    union all
    select 'analysis_daily_by', mart_compare_day.day::text, 'analysis', a.dimension || ' ' || a.value,
           a.state || a.judgement
      from analysis a where a.dimension <> 'all'
    union all
    select 'feature_daily', mart_compare_day.day::text, 'feature', c.feature_key, to_jsonb(c) - 'day' - 'feature_key'
      from app.mart_compute_feature_daily(
             organization, array[mart_compare_day.day], array[mart_compare_day.low], array[mart_compare_day.high]) as c
  ), actual as (
    select 'metric_timeseries' as mart,
           m.granularity || ' ' || to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') as bucket,
           m.source::text, case m.source when 'metric' then '' else m.source || ' ' end || m.metric_key as key,
           to_jsonb(m) - '{id,organization_id,source,metric_key,granularity,ts_bucket}'::text[] as state
      from mart.metric_timeseries m
     where m.organization_id = organization and m.granularity in ('hour', 'day')
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_hourly', to_char(m.ts_bucket at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'),
           'analysis', btrim(m.dimension || ' ' || m.value),
           to_jsonb(m) - '{id,organization_id,ts_bucket,dimension,value}'::text[]
      from mart.analysis_hourly m
     where m.organization_id = organization
       and m.ts_bucket >= mart_compare_day.low and m.ts_bucket < mart_compare_day.high
    union all
    select 'analysis_daily', m.day::text, 'analysis', '', to_jsonb(m) - '{id,organization_id,day}'::text[]
      from mart.analysis_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'analysis_daily_by', m.day::text, 'analysis', m.dimension || ' ' || m.value,
           to_jsonb(m) - '{id,organization_id,day,dimension,value}'::text[]
      from mart.analysis_daily_by m
     where m.organization_id = organization and m.day = mart_compare_day.day
    union all
    select 'feature_daily', m.day::text, 'feature', m.feature_key,
           to_jsonb(m) - '{id,organization_id,day,feature_key}'::text[]
      from mart.feature_daily m
     where m.organization_id = organization and m.day = mart_compare_day.day
  )
  select mart, bucket, key, e.state, a.state,
         exists (select from app.mart_change m
                  where m.organization_id = organization and m.source in (coalesce(e.source, a.source), 'zone')
                    and (m.hour = '-infinity'
                         or (m.hour > mart_compare_day.low - interval '1 hour' and m.hour < mart_compare_day.high)))
    from expected e
    full join actual a using (mart, bucket, source, key)
   where e.state is distinct from a.state
   order by 1, 2, 3;
$$;
alter function app.mart_compare_day owner to curestry_definer;
revoke execute on function app.mart_compare_day from public;
comment on function app.mart_compare_day is
  'Recomputes a day of an organization and its hours from what was recorded, and lists where the marts differ; '
  'waiting: a refresh is due that may correct it.';
--! EndIncluded app/mart_upkeep/mart_compare_day.sql
--! Included app/marts/tables/mart_change.sql
/*
 * app.mart_change: generated from the database by `deno task generate`
 *
 *   id               bigint       not null generated always as identity
 *   organization_id  uuid         not null
 *   hour             timestamptz  not null
 *   created_at       timestamptz  not null default now()
 *   source           varchar(20)  not null
 *
 *   pk_mart_change          primary key (organization_id, id)
 *   chk_mart_change_source  check (source in ('metric', 'node', 'judge', 'evaluation', 'analysis', 'feature', 'zone'))
 *
 *   idx_mart_change_hour  index (organization_id, hour)
 */

select app.table_usual_comments('app.mart_change');
comment on table app.mart_change is
  'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without '
  'a unique key, so that no writer waits for another and no change of a writer that has not committed yet is lost.';
comment on column app.mart_change.id is 'Identifies the change.';
comment on column app.mart_change.organization_id is 'Whose facts changed.';
comment on column app.mart_change.source is
  'Which facts: metric, node, judge, evaluation, analysis (runs, documents and their judgements), feature; zone: the '
  'time zone of the organization.';
comment on column app.mart_change.hour is 'Start of the hour that the facts count for, UTC; -infinity: all hours.';
comment on column app.mart_change.created_at is
  'When the facts changed; the age of the oldest row is how far the marts are behind.';
comment on constraint chk_mart_change_source on app.mart_change is
  'source must be metric, node, judge, evaluation, analysis, feature or zone';

select app.table_protect('app.mart_change');

grant select, insert, delete on app.mart_change to curestry_definer;
--! EndIncluded app/marts/tables/mart_change.sql
--! Included mart/functions/metric_series.sql
create or replace function mart.metric_series(
  key text, "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY',
  fill mart.series_fill default 'NONE', source text default 'metric'
) returns mart.series_point[]
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
  -- Days are of two zones while the marts are rebuilt for another one
  v_part constant text := case
    when metric_series.bucket = 'HOUR' or exists (
           select from app.mart_state s
            where s.organization_id = v_organization and s.rebuild_time_zone <> s.time_zone) then 'hour'
    else 'day' end;
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004',
      format('source: must be metric, node, judge or evaluation, not %s', to_json(source)),
      'source', 'metric_series_source');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, metric_series.bucket, "from", "to") as b
    ), measured as (
      select b.n, b.points, b.low, b.high, m.sample_count, m.numeric_count,
             m.value_sum, m.value_num, m.value_min, m.value_max, m.value_json,
             -- The bucket of the last number before, or here
             max(b.n) filter (where m.numeric_count > 0) over (order by b.n) as last
        from bucket b
        left join app.mart_compute_metric_timeseries(
               v_organization, metric_series.source, v_part, metric_series.key,
               (select array_agg(a.low order by a.n) from bucket a),
               (select array_agg(a.high order by a.n) from bucket a)) as m
          on m.ts_bucket = b.low
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.sample_count is not null then
                 row(b.sample_count, b.numeric_count, b.value_sum, b.value_num, b.value_min, b.value_max,
                     (b.value_json ->> 'p50')::numeric, (b.value_json ->> 'p90')::numeric,
                     (b.value_json ->> 'p95')::numeric, (b.value_json ->> 'p99')::numeric,
                     b.value_json -> 'counts', (b.value_json ->> 'other')::bigint)::mart.series_values
               when metric_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', 0)::mart.series_values
               when metric_series.fill = 'PREVIOUS' then
                 row(0, 0, 0, l.value_num, l.value_min, l.value_max,
                     (l.value_json ->> 'p50')::numeric, (l.value_json ->> 'p90')::numeric,
                     (l.value_json ->> 'p95')::numeric, (l.value_json ->> 'p99')::numeric,
                     null, null)::mart.series_values
               when metric_series.fill = 'NULL' then
                 row(0, 0, null, null, null, null, null, null, null, null, null, null)::mart.series_values
             end as measured
        from measured b
        left join measured l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.measured).*, p.low, p.measured)::mart.series_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.measured is distinct from null);
end;
$$;
alter function mart.metric_series owner to curestry_definer;
revoke execute on function mart.metric_series from public;
grant execute on function mart.metric_series to curestry_member;
comment on function mart.metric_series is
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or '
  'evaluation. Needs marts:read.';
--! EndIncluded mart/functions/metric_series.sql
