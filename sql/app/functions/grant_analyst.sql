create or replace function app.grant_analyst(analyst name, organization uuid) returns void
language sql volatile security definer set search_path = '' as $$
  insert into ops.analyst_grant (organization_id, role_name) values (organization, analyst) on conflict do nothing;
$$;
alter function app.grant_analyst(name, uuid) owner to curestry_definer;
revoke execute on function app.grant_analyst(name, uuid) from public;
grant execute on function app.grant_analyst(name, uuid) to curestry_owner;
comment on function app.grant_analyst(name, uuid) is 'Lets an analyst''s login read an organization. For operators.';
