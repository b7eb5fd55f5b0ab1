comment on table ops.analyst_grant is 'Which analyst''s login may read which organization.';
comment on column ops.analyst_grant.organization_id is 'The organization that may be read.';
comment on column ops.analyst_grant.role_name is 'The analyst''s login.';
comment on column ops.analyst_grant.created_at is 'When the row was written.';
comment on constraint pk_analyst_grant on ops.analyst_grant is 'An organization is granted to an analyst once.';
comment on constraint fk_analyst_grant_organization_id on ops.analyst_grant is 'The organization must exist.';

alter table ops.analyst_grant enable row level security;
alter table ops.analyst_grant force row level security;
revoke all on ops.analyst_grant from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_granted on ops.analyst_grant;
create policy select_granted on ops.analyst_grant for select to curestry_analyst
  using (role_name = session_user);
comment on policy select_granted on ops.analyst_grant is 'Analysts see what was granted to them.';
grant select on ops.analyst_grant to curestry_analyst;

drop policy if exists definer_all on ops.analyst_grant;
create policy definer_all on ops.analyst_grant for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.analyst_grant is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on ops.analyst_grant to curestry_definer;

select app.audit_table('ops.analyst_grant', id_column => 'role_name');
