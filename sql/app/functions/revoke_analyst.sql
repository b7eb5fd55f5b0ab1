create or replace function app.revoke_analyst(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  return found;
end;
$$;
alter function app.revoke_analyst(name, uuid) owner to curestry_definer;
revoke execute on function app.revoke_analyst(name, uuid) from public;
grant execute on function app.revoke_analyst(name, uuid) to curestry_owner;
comment on function app.revoke_analyst(name, uuid) is 'Takes an organization away from an analyst''s login, from the next statement on. For operators.';
