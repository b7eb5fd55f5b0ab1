create or replace function mart.mart_freshness() returns mart.freshness[]
language sql stable security definer set search_path = '' as $$
  select array_agg(row(f.*)::mart.freshness order by f.mart) from app.mart_freshness_of(app.require('marts:read')) as f;
$$;
alter function mart.mart_freshness owner to curestry_definer;
revoke execute on function mart.mart_freshness from public;
grant execute on function mart.mart_freshness to curestry_member;
comment on function mart.mart_freshness is
  'How far the marts of the request''s organization are behind what was recorded. Needs marts:read.';
