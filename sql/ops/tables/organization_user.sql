comment on table ops.organization_user is E'@unique id\nA membership: a user, an organization, and what the user may do there.';
comment on column ops.organization_user.id is 'Identifies the row; unique across organizations.';
comment on column ops.organization_user.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.organization_user.user_id is 'The member.';
comment on column ops.organization_user.role is 'owner, admin, member or viewer.';
comment on column ops.organization_user.status is 'active, invited or removed; only active has rights.';
comment on column ops.organization_user.created_at is 'When the row was written.';
comment on constraint pk_organization_user on ops.organization_user is 'One row per organization and id.';
comment on constraint unq_organization_user_user_id on ops.organization_user is 'a user is a member of an organization once';
comment on constraint fk_organization_user_organization_id on ops.organization_user is 'The organization must exist.';
comment on constraint fk_organization_user_user_id on ops.organization_user is 'The user must exist.';
comment on constraint chk_organization_user_role on ops.organization_user is 'role must be owner, admin, member or viewer';
comment on constraint chk_organization_user_status on ops.organization_user is 'status must be active, invited or removed';

alter table ops.organization_user enable row level security;
alter table ops.organization_user force row level security;
revoke all on ops.organization_user from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.organization_user;
create policy select_own on ops.organization_user for select to curestry_member
  using (organization_id = app.organization_if('members:read'));
comment on policy select_own on ops.organization_user is 'Members read the rows of their request''s organization, with members:read.';
grant select on ops.organization_user to curestry_member;

drop policy if exists select_granted on ops.organization_user;
create policy select_granted on ops.organization_user for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization_user is 'Analysts read the organizations granted to them.';
grant select on ops.organization_user to curestry_analyst;

drop policy if exists definer_all on ops.organization_user;
create policy definer_all on ops.organization_user for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.organization_user is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (role, status) on ops.organization_user to curestry_definer;

create or replace trigger _200_owner_update after update of role, status, user_id on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_owner_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
select app.audit_table('ops.organization_user');
