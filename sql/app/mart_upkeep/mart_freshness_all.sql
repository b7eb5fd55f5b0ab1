create or replace function app.mart_freshness_all()
returns table (mart text, oldest_change_seconds double precision, waiting bigint)
language sql stable security definer set search_path = '' as $$
  select * from app.mart_freshness_of(null);
$$;
alter function app.mart_freshness_all owner to curestry_definer;
revoke execute on function app.mart_freshness_all from public;
grant execute on function app.mart_freshness_all to curestry_gateway, curestry_worker, curestry_owner;
comment on function app.mart_freshness_all is
  'How far each mart is behind, over all organizations: the age of the oldest change that it has not processed yet '
  '(null: none), and how many are waiting.';
