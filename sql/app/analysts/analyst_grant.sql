create or replace function app.analyst_grant(analyst name, organization uuid) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  insert into ops.analyst_grant (organization_id, role_name) values (organization, analyst) on conflict do nothing;
end;
$$;
alter function app.analyst_grant owner to curestry_definer;
revoke execute on function app.analyst_grant from public;
grant execute on function app.analyst_grant to curestry_owner;
comment on function app.analyst_grant is
  'Lets an analyst''s login read an organization, from the next statement on; refuses a role that is not an analyst. '
  'For operators.';
