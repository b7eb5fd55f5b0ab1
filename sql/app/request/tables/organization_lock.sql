/*
 * app.organization_lock: generated from the database by `deno task generate`
 *
 *   organization_id  uuid  not null
 *   name             text  not null
 *
 *   pk_organization_lock                  primary key (organization_id, name)
 *   fk_organization_lock_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 */

select app.table_usual_comments('app.organization_lock');
comment on table app.organization_lock is
  'What only one transaction does at a time for an organization; see app.lock. A row is made when it is first needed.';
comment on column app.organization_lock.organization_id is 'For which organization.';
comment on column app.organization_lock.name is 'What is done.';
comment on constraint pk_organization_lock on app.organization_lock is 'One row for each lock.';

select app.table_protect('app.organization_lock');

grant select, insert, update on app.organization_lock to curestry_definer;
