create or replace function app.organization_by_slug(organization_slug text) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization uuid;
begin
  select o.id into v_organization from ops.organization o where o.slug = organization_slug;
  if not found then
    perform app.refuse('CU003', format('There is no organization with the slug %L', organization_slug), 'organization');
  end if;
  return v_organization;
end;
$$;
alter function app.organization_by_slug owner to curestry_definer;
revoke execute on function app.organization_by_slug from public;
grant execute on function app.organization_by_slug to curestry_owner;
comment on function app.organization_by_slug is
  'The id of the organization with this slug; refuses an unknown one. For operators.';
