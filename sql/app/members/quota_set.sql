create or replace function app.quota_set(quota_name text, new_maximum integer) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update app.quota q set maximum = new_maximum where q.name = quota_name;
  if not found then
    perform app.refuse('CU003', format('There is no quota %L', quota_name), 'name');
  end if;
end;
$$;
alter function app.quota_set owner to curestry_definer;
revoke execute on function app.quota_set from public;
grant execute on function app.quota_set to curestry_owner;
comment on function app.quota_set is 'Changes a quota, for all. For operators.';
