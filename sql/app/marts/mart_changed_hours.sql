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
