create or replace function app.mart_freshness_of(organization uuid)
returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select f.mart, extract(epoch from clock_timestamp() - min(m.created_at))::double precision, count(m.id)
    from (values ('metric_timeseries', '{metric,node,judge,evaluation,zone}'::text[]),
                 ('analysis_daily', '{analysis,zone}'),
                 ('feature_daily', '{feature,zone}')) as f (mart, sources)
    left join app.mart_change m
      on m.source = any (f.sources) and (organization is null or m.organization_id = organization)
   group by f.mart
   order by f.mart;
$$;
alter function app.mart_freshness_of owner to curestry_definer;
revoke execute on function app.mart_freshness_of from public;
comment on function app.mart_freshness_of is
  'How far each mart is behind: the age of the oldest change that it has not processed yet (null: none), and how '
  'many are waiting. Of one organization; null: of all.';
