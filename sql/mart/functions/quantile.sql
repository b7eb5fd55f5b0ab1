create or replace function mart.quantile(sketch jsonb, q numeric) returns numeric
language sql immutable parallel safe set search_path = '' as $$
  select app.sketch_value(min(c.slot))
    from (select u.slot, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
            from (select e.key::integer as slot, e.value::bigint as n from jsonb_each_text(sketch) as e) u) c
   where q between 0 and 1 and c.below >= q * c.total;
$$;
revoke execute on function mart.quantile from public;
grant execute on function mart.quantile to curestry_analyst;
comment on function mart.quantile is
  'The smallest number of a sketch (value_json -> ''sketch'' of mart.metric_timeseries) that is at least as large as '
  'this share of all, as percentile_disc returns it (0.5: the median); within 1 %. Null outside of 0 to 1, and of an '
  'empty sketch.';
