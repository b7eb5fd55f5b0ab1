create or replace function app.quota_list() returns setof app.quota
language sql stable security definer set search_path = '' as $$
  select q.* from app.quota q order by q.name;
$$;
alter function app.quota_list owner to curestry_definer;
revoke execute on function app.quota_list from public;
grant execute on function app.quota_list to curestry_owner;
comment on function app.quota_list is 'The quotas, which hold for everybody. For operators.';
