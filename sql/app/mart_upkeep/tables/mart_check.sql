/*
 * app.mart_check: generated from the database by `deno task generate`
 *
 *   id           bigint       not null generated always as identity
 *   checked_at   timestamptz  not null default now()
 *   buckets      integer      not null
 *   differences  integer      not null
 *   details      jsonb        not null
 *
 *   pk_mart_check               primary key (id)
 *   chk_mart_check_buckets      check (buckets >= 0)
 *   chk_mart_check_details      check (jsonb_typeof(details) = 'array')
 *   chk_mart_check_differences  check (differences >= 0)
 */

comment on table app.mart_check is 'What the nightly check of a random sample of days found.';
comment on column app.mart_check.id is 'Tells checks apart.';
comment on column app.mart_check.checked_at is 'When.';
comment on column app.mart_check.buckets is 'How many days of organizations were compared with their source.';
comment on column app.mart_check.differences is 'How many rows of the marts were not what they should be.';
comment on column app.mart_check.details is 'The first 20 of them: organization, mart, bucket, key, expected, actual.';
comment on constraint pk_mart_check on app.mart_check is 'One row per check.';
comment on constraint chk_mart_check_buckets on app.mart_check is 'buckets must be at least 0';
comment on constraint chk_mart_check_differences on app.mart_check is 'differences must be at least 0';
comment on constraint chk_mart_check_details on app.mart_check is 'details must be an array';

select app.table_protect('app.mart_check');

grant select, insert, delete on app.mart_check to curestry_definer;
