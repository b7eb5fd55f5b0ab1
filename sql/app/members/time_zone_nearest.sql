/* Pairs of letters in common (Dice): finds a mistyped name, and a city or country without the rest. */
create or replace function app.time_zone_nearest(name text) returns text
language sql stable set search_path = '' as $$
  with pairs as (
    select array_agg(distinct substr(lower(left(time_zone_nearest.name, 64)), n, 2)) as typed
      from generate_series(1, least(length(time_zone_nearest.name), 64) - 1) as n
  ), zone as (
    select z.name, array(select distinct substr(lower(z.name), n, 2)
                           from generate_series(1, length(z.name) - 1) as n) as pairs
      from pg_catalog.pg_timezone_names z
     where z.name !~ '^(posix/|right/|Etc/|Factory$|localtime$|posixrules$)'
  )
  select z.name
    from zone z, pairs p,
         lateral (select 2.0 * (select count(*) from unnest(p.typed) as t where t = any (z.pairs))
                         / (cardinality(p.typed) + cardinality(z.pairs)) as likeness) l
   where l.likeness >= 0.5
   order by l.likeness desc, z.name
   limit 1;
$$;
revoke execute on function app.time_zone_nearest from public;
grant execute on function app.time_zone_nearest to curestry_definer;
comment on function app.time_zone_nearest is
  'The name of a time zone that is most like what was typed; null if none is much like it.';
