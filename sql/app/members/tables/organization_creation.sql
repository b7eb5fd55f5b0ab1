/*
 * app.organization_creation: generated from the database by `deno task generate`
 *
 *   organization_id  uuid     not null
 *   user_id          integer  not null
 *
 *   pk_organization_creation                  primary key (organization_id)
 *   fk_organization_creation_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                               cascade
 *   fk_organization_creation_user_id          foreign key (user_id) references core.users(id) on delete cascade
 *
 *   idx_organization_creation_user_id  index (user_id)
 */

select app.table_usual_comments('app.organization_creation');
comment on table app.organization_creation is
  'Who made an organization, for the quota: owners can be changed without their consent.';
comment on column app.organization_creation.organization_id is 'The organization.';
comment on column app.organization_creation.user_id is 'Who made it.';
comment on constraint pk_organization_creation on app.organization_creation is 'One row for each organization.';

select app.table_protect('app.organization_creation');

grant select, insert on app.organization_creation to curestry_definer;
