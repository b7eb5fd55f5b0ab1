/*
 * ops.organization_user: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null
 *   user_id          integer      not null
 *   role             varchar(20)  not null
 *   status           varchar(20)  not null default 'active'
 *   created_at       timestamptz  not null default now()
 *
 *   pk_organization_user                  primary key (organization_id, id)
 *   unq_organization_user_user_id         unique (organization_id, user_id)
 *   fk_organization_user_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   fk_organization_user_user_id          foreign key (user_id) references core.users(id) on delete cascade
 *   chk_organization_user_role            check (role in ('owner', 'admin', 'member', 'viewer'))
 *   chk_organization_user_status          check (status in ('active', 'invited', 'removed'))
 *
 *   idx_organization_user_user_id  index (user_id, organization_id)
 */

select app.table_usual_comments('ops.organization_user');
comment on table ops.organization_user is
  E'@unique id\nA membership: a user, an organization, and what the user may do there.';
comment on column ops.organization_user.user_id is 'The member.';
comment on column ops.organization_user.role is
  E'@words MemberRole\n'
  '@word owner May do everything; an organization always has one.\n'
  '@word admin May write all but admins, owners and the organization.\n'
  '@word member May write prompts, analyses and workflows.\n'
  '@word viewer May read.\n'
  'owner, admin, member or viewer.';
comment on column ops.organization_user.status is
  E'@words MembershipStatus\n'
  '@word active Has the rights of the role.\n'
  '@word invited Has not accepted yet, and has no rights.\n'
  '@word removed Is a member no more, and has no rights.\n'
  'active, invited or removed; only active has rights.';
comment on constraint unq_organization_user_user_id on ops.organization_user is
  'a user is a member of an organization once';
comment on constraint chk_organization_user_role on ops.organization_user is
  'role must be owner, admin, member or viewer';
comment on constraint chk_organization_user_status on ops.organization_user is
  'status must be active, invited or removed';

select app.table_protect('ops.organization_user');
select app.table_policies_for_members('ops.organization_user', to_read => 'members:read');
select app.table_policy_for_analysts('ops.organization_user');

grant select on ops.organization_user to curestry_member;
grant select on ops.organization_user to curestry_analyst;
grant select, insert, update (role, status) on ops.organization_user to curestry_definer;

create or replace trigger _200_owner_update after update of role, status, user_id on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_owner_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_quota_insert before insert on ops.organization_user
  for each row when (NEW.status <> 'removed') execute function app.tg_organization_user__quota();
create or replace trigger _200_quota_update before update of status on ops.organization_user
  for each row when (OLD.status = 'removed' and NEW.status <> 'removed')
  execute function app.tg_organization_user__quota();
create or replace trigger _500_keys_update after update of status on ops.organization_user
  for each row when (NEW.status = 'removed') execute function app.tg_organization_user__keys();
create or replace trigger _500_keys_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__keys();
select app.audit_table('ops.organization_user');
