/*
 * ops.organization: generated from the database by `deno task generate`
 *
 *   id                      uuid          not null default gen_random_uuid()
 *   name                    varchar(255)  not null
 *   slug                    varchar(100)  not null
 *   personal_user_id        integer
 *   created_at              timestamptz   not null default now()
 *   updated_at              timestamptz   not null default now()
 *   audit_retention_months  integer
 *   raw_retention_days      integer
 *   time_zone               text          not null default 'UTC'
 *
 *   pk_organization                          primary key (id)
 *   unq_organization_personal_user_id        unique (personal_user_id)
 *   unq_organization_slug                    unique (slug)
 *   fk_organization_personal_user_id         foreign key (personal_user_id) references core.users(id)
 *   chk_organization_audit_retention_months  check (audit_retention_months >= 1 and audit_retention_months <= 1200)
 *   chk_organization_name                    check (name ~ '\S')
 *   chk_organization_raw_retention_days      check (raw_retention_days >= 1 and raw_retention_days <= 36600)
 *   chk_organization_slug                    check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
 *   chk_organization_time_zone               check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$')
 */

select app.table_usual_comments('ops.organization');
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is
  'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.time_zone is
  'Whose hours and days the marts count by: a name of the IANA database, such as Europe/Berlin. Changing it has them '
  'rebuilt.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.audit_retention_months is
  'For how many months the audit log is kept; older months leave it once sealed. Null: for ever.';
comment on column ops.organization.raw_retention_days is
  'For how many days analysis runs with all that belongs to them, and feature events, are kept; the numbers in the '
  'marts stay. Null: for ever.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint fk_organization_personal_user_id on ops.organization is
  E'@foreignSingleFieldName personalOrganization\nThe user must exist.';
comment on constraint unq_organization_personal_user_id on ops.organization is
  E'@behavior -single -constraint:resource:update -constraint:resource:delete\n'
  'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is
  'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
comment on constraint chk_organization_audit_retention_months on ops.organization is
  'audit_retention_months must be from 1 to 1200';
comment on constraint chk_organization_raw_retention_days on ops.organization is
  'raw_retention_days must be from 1 to 36600';
comment on constraint chk_organization_time_zone on ops.organization is
  'timeZone: must be the name of a time zone, of at most 64 characters';

select app.table_protect('ops.organization');

drop policy if exists select_own on ops.organization;
create policy select_own on ops.organization for select to curestry_member
  using (id = app.organization_id());
comment on policy select_own on ops.organization is 'Members see their request''s organization.';

drop policy if exists update_own on ops.organization;
create policy update_own on ops.organization for update to curestry_member
  using (id = app.organization_if('organization:write'));
comment on policy update_own on ops.organization is
  'The organization is renamed, and its settings changed, with organization:write.';

drop policy if exists delete_own on ops.organization;
create policy delete_own on ops.organization for delete to curestry_member
  using (id = app.organization_if('organization:write') and personal_user_id is null);
comment on policy delete_own on ops.organization is
  'The organization is deleted with organization:write, with all that is its own; a personal one stays.';

drop policy if exists select_granted on ops.organization;
create policy select_granted on ops.organization for select to curestry_analyst
  using (id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization is 'Analysts read the organizations granted to them.';

grant select,
      update (name, slug, time_zone, audit_retention_months, raw_retention_days),
      delete
   on ops.organization to curestry_member;
grant select on ops.organization to curestry_analyst;
grant select, insert, update (name), delete on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
create or replace trigger _100_name before insert or update of slug, name on ops.organization
  for each row execute function app.tg_organization__name();
create or replace trigger _200_held before delete on ops.organization
  for each row execute function app.tg_organization__legal_hold();
create or replace trigger _200_time_zone before insert or update of time_zone on ops.organization
  for each row execute function app.tg_organization__time_zone();
create or replace trigger _800_mart_changes after update of time_zone on ops.organization
  for each row when (OLD.time_zone is distinct from NEW.time_zone) execute function app.tg_organization__mart_changes();
select app.audit_table('ops.organization', organization_column => 'id');
