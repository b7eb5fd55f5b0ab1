create or replace function app.erase_organization(organization uuid) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization ops.organization;
  v_erasure app.erasure;
begin
  -- Waits for those who write to it; later writers find it deleted.
  select o.* into v_organization from ops.organization o where o.id = organization for update;
  if not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform app.legal_hold_refuse(app.legal_hold_of(organization), 'The organization ' || v_organization.slug);
  if v_organization.personal_user_id is not null then
    perform app.refuse('CU005', format('%s is the personal organization of user %s: it is erased with the user',
                                       v_organization.slug, v_organization.personal_user_id),
                       'organization', 'personal_organization');
  end if;
  v_erasure := app.erasure_begin('organization', organization::text);
  return app.erasure_complete(v_erasure, app.erase_organization_rows(organization, v_erasure.id));
end;
$$;
alter function app.erase_organization owner to curestry_definer;
revoke execute on function app.erase_organization from public;
grant execute on function app.erase_organization to curestry_owner;
comment on function app.erase_organization is
  'Erases an organization: all its rows, and the states in its audit log, whose chain stays intact. Returns the '
  'erasure record. For operators.';
