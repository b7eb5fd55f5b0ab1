/*
 * app.quota: generated from the database by `deno task generate`
 *
 *   name     text     not null
 *   maximum  integer  not null
 *
 *   pk_quota           primary key (name)
 *   chk_quota_maximum  check (maximum >= 0)
 */

comment on table app.quota is 'How many of something there may be; app.quota_set changes it.';
comment on column app.quota.name is
  'organizations_of_person (made by the same person), members_of_organization (with invitations), or '
  'api_keys_of_organization (neither revoked nor expired).';
comment on column app.quota.maximum is 'How many; what is there already stays.';
comment on constraint pk_quota on app.quota is 'One row for each quota.';
comment on constraint chk_quota_maximum on app.quota is 'maximum must not be negative';

select app.table_protect('app.quota');

grant select, update (maximum) on app.quota to curestry_definer;
