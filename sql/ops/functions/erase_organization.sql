/* A dry run erases, too, and takes it back: so it says what there is, and what stands against it. */
create or replace function ops.erase_organization(slug text, dry_run boolean default false) returns ops.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('organization:write');
  v_erasure app.erasure;
begin
  perform app.require_person();
  if not exists (select from ops.organization o
                  where o.id = v_organization and o.slug = erase_organization.slug) then
    perform app.refuse('CU004', 'slug must be that of the organization of this request, which is what is erased',
                       'slug', 'erase_organization_slug');
  end if;
  begin
    v_erasure := app.erase_organization(v_organization);
    if dry_run then
      raise exception using errcode = 'CU008';
    end if;
  exception
    when sqlstate 'CU008' then
      v_erasure.id := null;
  end;
  return row(v_erasure.id, v_erasure.kind, v_erasure.subject_id, v_erasure.counts)::ops.erasure;
end;
$$;
alter function ops.erase_organization owner to curestry_definer;
revoke execute on function ops.erase_organization from public;
grant execute on function ops.erase_organization to curestry_member;
comment on function ops.erase_organization is
  E'@notNull\n'
  '@arg slug Its slug.\n'
  '@arg dry_run Says what would be erased, and changes nothing.\n'
  'Erases the organization of this request: all its rows, and their states in its audit log; it cannot be '
  'undone. slug is its slug, so that nobody erases another one by mistake. dryRun: says what would be erased, '
  'and changes nothing. Needs organization:write, and a person who has signed in.';
