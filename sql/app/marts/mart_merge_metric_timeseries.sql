/*
 * Adds up the rows of smaller buckets, hours or days; a single row is used as it is. Planner settings: sql/README.md.
 */
create or replace function app.mart_merge_metric_timeseries(
  organization uuid, source text, part_size text, only_key text, lows timestamptz[], highs timestamptz[]
)
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with part as (
    select m.metric_key::text as key, b.low, m.value_json, m.sample_count, m.numeric_count,
           m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size
                       and m.ts_bucket >= b.low and m.ts_bucket < b.high
                    offset 0) m
     where only_key is null and m.source = mart_merge_metric_timeseries.source
    union all
    select m.metric_key, b.low, m.value_json, m.sample_count, m.numeric_count, m.value_sum, m.value_min, m.value_max
      from unnest(lows, highs) as b (low, high),
           lateral (select m.* from mart.metric_timeseries m
                     where m.organization_id = (select organization) and m.granularity = part_size
                       and m.ts_bucket >= b.low and m.ts_bucket < b.high
                       and m.source = mart_merge_metric_timeseries.source and m.metric_key = only_key
                    offset 0) m
     where only_key is not null
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         case when t.parts = 1 then t.states[1]
              else app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, t.other) end,
         t.n, t.numbers, t.sum, t.min, t.max
    from (select p.key, p.low, count(*) as parts, array_agg(p.value_json) as states,
                 sum(p.sample_count)::bigint as n, sum(p.numeric_count)::bigint as numbers,
                 sum(p.value_sum) as sum, min(p.value_min) as min, max(p.value_max) as max,
                 sum((p.value_json ->> 'other')::bigint)::bigint as other
            from part p group by p.key, p.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select e.key::integer as slot, sum(e.value::bigint)::bigint as n
                            from unnest(t.states) as u (state), lateral jsonb_each_text(u.state -> 'sketch') as e
                           where t.parts > 1
                           group by 1) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select e.key as word, sum(e.value::bigint)::bigint as n
                            from unnest(t.states) as u (state), lateral jsonb_each_text(u.state -> 'counts') as e
                           where t.parts > 1
                           group by 1) c) w;
$$;
alter function app.mart_merge_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_merge_metric_timeseries from public;
comment on function app.mart_merge_metric_timeseries is
  'mart.metric_timeseries of an organization and a source, of one key or of all, for buckets with these starts and '
  'ends, merged from its hours or days.';
