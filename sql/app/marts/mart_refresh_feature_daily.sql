/* Planner settings: sql/README.md. */
create or replace function app.mart_refresh_feature_daily(
  organization uuid, days date[], lows timestamptz[], highs timestamptz[]) returns void
language sql volatile security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with computed as materialized (
    select * from app.mart_compute_feature_daily(organization, days, lows, highs)
  ), gone as (
    delete from mart.feature_daily
     where ctid = any (array(
             select m.ctid
               from unnest(days) as b (day),
                    lateral (select m.ctid, m.day, m.feature_key from mart.feature_daily m
                              where m.organization_id = (select organization) and m.day = b.day
                             offset 0) m
              where (m.day, m.feature_key::text) not in (select c.day, c.feature_key from computed c)))
  )
  insert into mart.feature_daily as m (organization_id, day, feature_key, events, unique_users)
  select organization, c.* from computed c
  on conflict (organization_id, day, feature_key) do update
    set events = excluded.events, unique_users = excluded.unique_users
  where (m.events, m.unique_users) is distinct from (excluded.events, excluded.unique_users);
$$;
alter function app.mart_refresh_feature_daily owner to curestry_definer;
revoke execute on function app.mart_refresh_feature_daily from public;
comment on function app.mart_refresh_feature_daily is
  'Brings these days of mart.feature_daily up to date.';
