/* Members are changed one at a time: whoever adds one locks the organization's row. */
create or replace function app.tg_organization_user__quota() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform from ops.organization o where o.id = NEW.organization_id for no key update;
  perform app.quota_check('members_of_organization', (
    select count(*) from ops.organization_user m
     where m.organization_id = NEW.organization_id and m.status <> 'removed' and m.user_id <> NEW.user_id));
  return NEW;
end;
$$;
alter function app.tg_organization_user__quota owner to curestry_definer;
revoke execute on function app.tg_organization_user__quota from public;
comment on function app.tg_organization_user__quota is 'Trigger: the quota of members, with invitations.';
