/* The grants of a login that no longer exists can still be revoked; only an unknown name is refused. */
create or replace function app.analyst_revoke(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  if found then
    perform app.analyst_disconnect(analyst);
    return true;
  end if;
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  return false;
end;
$$;
alter function app.analyst_revoke owner to curestry_definer;
revoke execute on function app.analyst_revoke from public;
grant execute on function app.analyst_revoke to curestry_owner;
comment on function app.analyst_revoke is
  'Revokes an analyst''s access to an organization, and ends the sessions of the login; returns whether it had been '
  'granted. For operators.';
