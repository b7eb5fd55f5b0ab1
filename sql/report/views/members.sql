create or replace view report.members with (security_invoker = true) as
select o.slug as organization, o.name as organization_name, m.user_id, u.email, u.name, m.role, m.status,
       m.created_at as member_since
  from ops.organization_user m
  join ops.organization o on o.id = m.organization_id
  join core.users u on u.id = m.user_id;
grant select on report.members to curestry_analyst;
comment on view report.members is 'The members of the organizations, one row a membership.';
comment on column report.members.organization is 'Slug of the organization.';
comment on column report.members.organization_name is 'Its display name.';
comment on column report.members.user_id is 'Identifies the user.';
comment on column report.members.email is 'E-mail address.';
comment on column report.members.name is 'Display name.';
comment on column report.members.role is 'owner, admin, member or viewer.';
comment on column report.members.status is 'active, invited or removed.';
comment on column report.members.member_since is 'When the membership was made.';
