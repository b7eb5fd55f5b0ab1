create or replace function ops.create_organization(slug text, name text) returns ops.organization
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization ops.organization;
begin
  -- One at a time
  perform from core.users u where u.id = v_user for no key update;
  perform app.quota_check('organizations_of_person',
                          (select count(*) from app.organization_creation c where c.user_id = v_user));
  insert into ops.organization (name, slug) values (create_organization.name, create_organization.slug)
  returning * into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner');
  insert into app.organization_creation (organization_id, user_id) values (v_organization.id, v_user);
  return v_organization;
end;
$$;
alter function ops.create_organization owner to curestry_definer;
revoke execute on function ops.create_organization from public;
grant execute on function ops.create_organization to curestry_member;
comment on function ops.create_organization is
  E'@notNull\n'
  '@arg slug Its short name, unique: lower case letters, digits and hyphens.\n'
  '@arg name Its display name.\n'
  'Creates an organization that you own. Choose it for a request with the header X-Curestry-Organization. Needs '
  'a person who has signed in.';
