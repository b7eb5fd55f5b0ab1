create or replace function app.refresh_days(organization uuid, days date[]) returns void
language sql volatile security definer set search_path = '' as $$
  with computed as materialized (
    select c.* from unnest(days) as d (day), lateral app.compute_analysis_daily(organization, d.day, d.day + 1) as c
  ), gone as (
    delete from mart.analysis_daily m
     where m.organization_id = organization and m.day = any (days) and not exists (select from computed c where c.day = m.day)
  )
  insert into mart.analysis_daily as m (organization_id, day, analyses, avg_overall, avg_entropy, scored, sum_overall, sum_entropy)
  select organization, c.* from computed c
  on conflict (organization_id, day) do update
    set analyses = excluded.analyses, avg_overall = excluded.avg_overall, avg_entropy = excluded.avg_entropy,
        scored = excluded.scored, sum_overall = excluded.sum_overall, sum_entropy = excluded.sum_entropy
  where (m.analyses, m.avg_overall, m.avg_entropy, m.scored, m.sum_overall, m.sum_entropy)
        is distinct from (excluded.analyses, excluded.avg_overall, excluded.avg_entropy, excluded.scored, excluded.sum_overall, excluded.sum_entropy);

  with computed as materialized (
    select c.* from unnest(days) as d (day), lateral app.compute_feature_daily(organization, d.day, d.day + 1) as c
  ), gone as (
    delete from mart.feature_daily m
     where m.organization_id = organization and m.day = any (days)
       and not exists (select from computed c where c.day = m.day and c.feature_key = m.feature_key)
  )
  insert into mart.feature_daily as m (organization_id, day, feature_key, events, unique_users)
  select organization, c.* from computed c
  on conflict (organization_id, day, feature_key) do update
    set events = excluded.events, unique_users = excluded.unique_users
  where (m.events, m.unique_users) is distinct from (excluded.events, excluded.unique_users);
$$;
alter function app.refresh_days(uuid, date[]) owner to curestry_definer;
revoke execute on function app.refresh_days(uuid, date[]) from public;
comment on function app.refresh_days(uuid, date[]) is
  'Recomputes these days (UTC) of mart.analysis_daily and mart.feature_daily.';
