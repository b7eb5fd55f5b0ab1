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
