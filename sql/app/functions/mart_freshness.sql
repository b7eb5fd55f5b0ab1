create or replace function app.mart_freshness() returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select * from app.organization_mart_freshness(null);
$$;
alter function app.mart_freshness() owner to curestry_definer;
revoke execute on function app.mart_freshness() from public;
grant execute on function app.mart_freshness() to curestry_gateway, curestry_worker, curestry_owner;
comment on function app.mart_freshness() is
  'How far each mart is behind, over all organizations: the age of the oldest change that it has not taken up yet (null: none), and how many are waiting.';
