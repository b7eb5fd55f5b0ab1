/*
 * ops.analyst_grant: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   role_name        name         not null
 *   created_at       timestamptz  not null default now()
 *
 *   pk_analyst_grant                  primary key (organization_id, role_name)
 *   fk_analyst_grant_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *
 *   idx_analyst_grant_role_name  index (role_name, organization_id)
 */

select app.table_usual_comments('ops.analyst_grant');
comment on table ops.analyst_grant is 'Which analyst''s login may read which organization.';
comment on column ops.analyst_grant.organization_id is 'The organization that may be read.';
comment on column ops.analyst_grant.role_name is 'The analyst''s login.';
comment on constraint pk_analyst_grant on ops.analyst_grant is 'An organization is granted to an analyst once.';

select app.table_protect('ops.analyst_grant');

drop policy if exists select_granted on ops.analyst_grant;
create policy select_granted on ops.analyst_grant for select to curestry_analyst
  using (role_name = session_user);
comment on policy select_granted on ops.analyst_grant is 'Analysts see what was granted to them.';

grant select on ops.analyst_grant to curestry_analyst;
grant select, insert, delete on ops.analyst_grant to curestry_definer;

select app.audit_table('ops.analyst_grant', id_column => 'role_name');
