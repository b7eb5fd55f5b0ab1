/* Rows that are right are not touched; see app.mart_refresh_metric_timeseries. Planner settings: sql/README.md. */
create or replace function app.mart_refresh_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_feature_daily(organization, days, lows, highs)
  ), present as materialized (
    select m.*
      from unnest(days) as b (day),
           lateral (select m.ctid as place, m.day, m.feature_key::text, m.events, m.unique_users
                      from mart.feature_daily m
                     where m.organization_id = (select organization) and m.day = b.day
                    offset 0) m
  ), gone as (
    delete from mart.feature_daily
     where ctid = any (array(
             select p.place from present p
              where (p.day, p.feature_key) not in (select c.day, c.feature_key from computed c)))
  ), corrected as (
    update mart.feature_daily m
       set events = c.events, unique_users = c.unique_users
      from computed c
      join present p on p.day = c.day and p.feature_key = c.feature_key
     where m.ctid = p.place and (p.events, p.unique_users) is distinct from (c.events, c.unique_users)
  )
  insert into mart.feature_daily (organization_id, day, feature_key, events, unique_users)
  select organization, c.*
    from computed c
   where (c.day, c.feature_key) not in (select p.day, p.feature_key from present p);
$$;
alter function app.mart_refresh_feature_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_feature_daily from public;
comment on function app.mart_refresh_feature_daily is
  'Brings these days of mart.feature_daily up to date.';
