create or replace function mart.merge_sketches(sketches jsonb[]) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select coalesce(jsonb_object_agg(m.slot, m.n), '{}')
    from (select e.key as slot, sum(e.value::bigint) as n
            from unnest(sketches) as s (sketch), lateral jsonb_each_text(s.sketch) as e
           group by e.key) m;
$$;
revoke execute on function mart.merge_sketches from public;
grant execute on function mart.merge_sketches to curestry_analyst;
comment on function mart.merge_sketches is
  'The exact sketch of all numbers of these sketches: mart.quantile(mart.merge_sketches(array_agg(value_json -> '
  '''sketch'')), 0.95). Counts of texts are added up likewise.';
