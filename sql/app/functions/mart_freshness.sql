create or replace function app.mart_freshness() returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select m.name, extract(epoch from clock_timestamp() - w.oldest)::double precision, w.waiting
    from unnest(array['analysis_daily', 'feature_daily', 'metric_timeseries']) as m (name),
         (select min(k.created_at) as oldest, count(*) as waiting from app.mart_mark k) w;
$$;
alter function app.mart_freshness() owner to curestry_definer;
revoke execute on function app.mart_freshness() from public;
comment on function app.mart_freshness() is
  'How far each mart is behind: the age of the oldest change that it has not taken, and how many wait.';
