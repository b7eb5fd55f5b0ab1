create or replace function app.organization_create(organization_slug text, organization_name text, owner_email text)
returns table (id uuid, slug text, name text, owner_user_id integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_organization ops.organization;
begin
  if exists (select from ops.organization o where o.slug = organization_slug) then
    -- An organization without an owner (the one for ownerless rows of the old backends) can get one.
    select o.* into v_organization from ops.organization o
     where o.slug = organization_slug
       and not exists (select from ops.organization_user m
                        where m.organization_id = o.id and m.role = 'owner' and m.status = 'active')
       for update;
    if not found then
      perform app.refuse('CU005', format('There is an organization with the slug %L already', organization_slug),
                         'slug', 'unq_organization_slug');
    end if;
    update ops.organization o set name = organization_name
     where o.id = v_organization.id
    returning o.* into v_organization;
  else
    insert into ops.organization (name, slug) values (organization_name, organization_slug)
    returning * into v_organization;
  end if;
  v_user := app.user_ensure(owner_email);
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner')
  on conflict on constraint unq_organization_user_user_id do update set role = 'owner', status = 'active';
  return query select v_organization.id, v_organization.slug::text, v_organization.name::text, v_user;
end;
$$;
alter function app.organization_create owner to curestry_definer;
revoke execute on function app.organization_create from public;
grant execute on function app.organization_create to curestry_owner;
comment on function app.organization_create is
  'Creates an organization and, if new, the account of its owner. For operators.';
