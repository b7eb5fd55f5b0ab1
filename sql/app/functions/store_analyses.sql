/*
 * One attempt at a whole batch, all or nothing: a problem raises. app.record_analyses tries the batch first and, if that
 * fails, each item alone; so a good batch costs one statement a table, and one bad item does not stop the others.
 *
 * Answers, in the order of the items, the outcome and the run: "inserted"; "unchanged" if the key is known with the same
 * content, "conflict" with another. A key that another transaction is writing right now is waited for.
 */
create or replace function app.store_analyses(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_ids constant uuid[] := array(select gen_random_uuid() from generate_series(1, cardinality(items)));
  v_digests constant bytea[] := array(
    select sha256(convert_to((to_jsonb(i) - 'ordinality' - 'idempotency_key')::text, 'UTF8')) from unnest(items) with ordinality as i order by i.ordinality);
  v_inserted uuid[];
  v_answer ops.record_outcome[];
begin
  with run as (
    insert into ops.analysis_run (id, organization_id, user_id, prompt_id, prompt_content, status, started_at, finished_at, meta,
                                  idempotency_key, request_digest)
    select v_ids[i.ordinality], organization, store_analyses.user_id, i.prompt_id,
           -- The document holds the content; a run without one holds it itself.
           case when i.result is not distinct from null then coalesce(i.prompt_content, p.content) end,
           s.status,
           case when s.status <> 'queued' then coalesce(i.started_at, i.finished_at, now()) else i.started_at end,
           case when s.status in ('succeeded', 'failed', 'cancelled') then coalesce(i.finished_at, now()) else i.finished_at end,
           coalesce(i.meta, '{}'), i.idempotency_key, v_digests[i.ordinality]
      from unnest(items) with ordinality as i
      left join core.prompts p on p.organization_id = organization and p.id = i.prompt_id,
           lateral (select coalesce(i.status, 'succeeded')) as s (status)
     order by i.idempotency_key -- one order of locks for all writers
    on conflict (organization_id, idempotency_key) do nothing
    returning id
  )
  select coalesce(array_agg(run.id), '{}') into v_inserted from run;

  perform app.store_analysis_facts(organization,
    array(select case when id = any (v_inserted) then id end from unnest(v_ids) with ordinality as n (id, at) order by at), items);

  if cardinality(v_inserted) > 0 then
    insert into ops.feature_event (organization_id, user_id, feature_key, event_count)
    values (organization, store_analyses.user_id, 'analyses.record', cardinality(v_inserted));
  end if;

  if cardinality(v_inserted) = cardinality(items) then
    return array(select row('inserted', id, null)::ops.record_outcome from unnest(v_ids) with ordinality as n (id, at) order by at);
  end if;
  select array_agg(
           case
             when v_ids[i.ordinality] = any (v_inserted) then row('inserted', v_ids[i.ordinality], null)::ops.record_outcome
             when r.request_digest = v_digests[i.ordinality] then row('unchanged', r.id, null)::ops.record_outcome
             else row('conflict', r.id, format('idempotencyKey %s was used before, for another content', i.idempotency_key))::ops.record_outcome
           end order by i.ordinality)
    into v_answer
    from unnest(items) with ordinality as i
    left join ops.analysis_run r on r.organization_id = organization and r.idempotency_key = i.idempotency_key;
  return v_answer;
end;
$$;
alter function app.store_analyses(uuid, integer, ops.analysis_item[]) owner to curestry_definer;
revoke execute on function app.store_analyses(uuid, integer, ops.analysis_item[]) from public;
comment on function app.store_analyses(uuid, integer, ops.analysis_item[]) is
  'Records a batch of analyses, all or nothing, and answers the outcome of each.';
