/*
 * What app.bucket_value_json gives for equal numbers alone, without its searches: most hours of a long history hold one
 * number of a metric.
 */
create or replace function app.bucket_value_json_of_equals(value numeric, n bigint) returns jsonb
language sql immutable parallel safe
return jsonb_build_object('p50', value, 'p90', value, 'p95', value, 'p99', value,
                          'sketch', jsonb_build_object(app.sketch_slot(value)::text, n));
revoke execute on function app.bucket_value_json_of_equals from public;
grant execute on function app.bucket_value_json_of_equals to curestry_definer;
comment on function app.bucket_value_json_of_equals is
  'Quantiles and their sketch of n equal numbers, as mart.metric_timeseries.value_json holds them.';
