/*
 * Builds mart.metric_timeseries.value_json from slots and texts with their counts. Of more than 100 distinct texts,
 * those with the smallest hashes are kept and the others are counted together: a text among the 100 of a day is among
 * the 100 of each of its hours, so a day merged from hours equals a count of the day. (The most frequent ones could
 * not be merged: a text that is rare in every hour may be frequent in the day.) "greatest" and "least" keep a
 * quantile between the smallest and the largest number.
 */
create or replace function app.bucket_value_json(
  slots integer[], slot_counts bigint[], value_min numeric, value_max numeric,
  words text[], word_counts bigint[], other_count bigint
) returns jsonb
language sql immutable set search_path = '' as $$
  select nullif(
    coalesce((
      select jsonb_build_object(
               'p50', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.50 * c.total)),
                                     value_min), value_max),
               'p90', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.90 * c.total)),
                                     value_min), value_max),
               'p95', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.95 * c.total)),
                                     value_min), value_max),
               'p99', least(greatest(app.sketch_value(min(c.slot) filter (where c.below >= 0.99 * c.total)),
                                     value_min), value_max),
               'sketch', jsonb_object_agg(c.slot::text, c.n))
        from (select u.slot, u.n, sum(u.n) over (order by u.slot) as below, sum(u.n) over () as total
                from unnest(slots, slot_counts) as u (slot, n)) c
      having count(*) > 0), '{}')
    || coalesce((
      select jsonb_build_object('counts', jsonb_object_agg(w.word, w.n) filter (where w.place <= 100))
             || case when coalesce(sum(w.n) filter (where w.place > 100), 0) + coalesce(other_count, 0) > 0
                     then jsonb_build_object('other', coalesce(sum(w.n) filter (where w.place > 100), 0)
                                                      + coalesce(other_count, 0))
                     else '{}' end
        from (select u.word, u.n, row_number() over (order by md5(u.word), u.word collate "C") as place
                from unnest(words, word_counts) as u (word, n)) w
      having count(*) > 0), '{}'),
    '{}');
$$;
revoke execute on function app.bucket_value_json from public;
grant execute on function app.bucket_value_json to curestry_definer;
comment on function app.bucket_value_json is
  'Quantiles and their sketch, and counts of texts, as mart.metric_timeseries.value_json holds them.';
