/*
 * app.platform_admin: generated from the database by `deno task generate`
 *
 *   user_id     integer      not null
 *   granted_at  timestamptz  not null default now()
 *
 *   pk_platform_admin          primary key (user_id)
 *   fk_platform_admin_user_id  foreign key (user_id) references core.users(id) on delete cascade
 */

select app.table_usual_comments('app.platform_admin');
comment on table app.platform_admin is
  'Platform admins: users who see failed jobs and scheduled tasks of the whole installation through the API. Granted '
  'and revoked by "curestry platform-admin".';
comment on column app.platform_admin.user_id is 'Who.';
comment on column app.platform_admin.granted_at is 'Since when.';
comment on constraint pk_platform_admin on app.platform_admin is 'A user is a platform admin once.';

select app.table_protect('app.platform_admin');

grant select, insert, delete on app.platform_admin to curestry_definer;

select app.audit_table('app.platform_admin', organization_column => null, id_column => 'user_id');
