/* What a login that is gone had been granted can still be revoked; only a name that means nothing is refused. */
create or replace function app.revoke_analyst(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  if found then
    return true;
  end if;
  if not exists (select from app.list_analysts() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  return false;
end;
$$;
alter function app.revoke_analyst(name, uuid) owner to curestry_definer;
revoke execute on function app.revoke_analyst(name, uuid) from public;
grant execute on function app.revoke_analyst(name, uuid) to curestry_owner;
comment on function app.revoke_analyst(name, uuid) is
  'Takes an organization away from an analyst''s login, from the next statement on; says whether it had been granted. For operators.';
