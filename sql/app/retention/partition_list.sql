create or replace function app.partition_list(parent regclass)
returns table (name name, from_ts timestamptz, to_ts timestamptz)
language sql stable set search_path = '' as $$
  select c.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid,
         lateral regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid),
                              'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as b (bounds)
   where i.inhparent = parent and b.bounds is not null
   order by 2;
$$;
revoke execute on function app.partition_list from public;
comment on function app.partition_list is
  'The monthly partitions of a table, which are in app, with start and end, in order; without the default.';
