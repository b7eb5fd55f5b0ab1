/* Runs with the rights of the administrator who calls it. */
create or replace function app.drop_analyst(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not exists (select from app.list_analysts() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  perform app.revoke_analyst(analyst, app.organization_by_slug(o))
     from app.list_analysts() a, unnest(a.organizations) as o
    where a.name = analyst;
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.drop_analyst(name) from public;
comment on function app.drop_analyst(name) is 'Removes an analyst''s login and what it was granted. For operators who may drop roles.';
