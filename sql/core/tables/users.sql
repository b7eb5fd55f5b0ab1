/*
 * core.users: generated from the database by `deno task generate`
 *
 *   id          integer       not null default nextval('core.users_id_seq')
 *   email       varchar(255)
 *   name        varchar(255)
 *   avatar_url  varchar(512)
 *   created_at  timestamptz   not null default now()
 *   erased_at   timestamptz
 *
 *   pk_users             primary key (id)
 *   unq_users_email      unique (email)
 *   chk_users_email      check (email ~ '^[^@\s]+@[^@\s]+$')
 *   chk_users_erased_at  check (erased_at is null or email is null and name is null and avatar_url is null)
 *
 *   unq_users_email_lower  unique index (lower(email))
 */

select app.table_usual_comments('core.users');
comment on table core.users is
  'A person who can sign in. Persons belong to no organization; memberships say what they may do where.';
comment on column core.users.id is 'Identifies the user.';
comment on column core.users.email is 'E-mail address, unique without regard to case; null for an anonymous user.';
comment on column core.users.name is 'Display name.';
comment on column core.users.avatar_url is 'Address of a picture.';
comment on column core.users.erased_at is 'When the person was erased; nobody is behind this account any more.';
comment on constraint pk_users on core.users is 'One row per user.';
comment on constraint unq_users_email on core.users is
  E'@behavior -constraint:resource:update -constraint:resource:delete\n'
  'There is a user with this e-mail address already.';
comment on constraint chk_users_email on core.users is 'email must be an e-mail address';
comment on constraint chk_users_erased_at on core.users is
  'an erased account stays without e-mail address, name and picture';
comment on index core.unq_users_email_lower is 'there is a user with this e-mail address already';

select app.table_protect('core.users');

drop policy if exists select_own on core.users;
create policy select_own on core.users for select to curestry_member
  using (id = any (app.member_visible_user_ids()));
comment on policy select_own on core.users is 'Members see themselves and the members of their requests organization.';

drop policy if exists update_own on core.users;
create policy update_own on core.users for update to curestry_member
  using (id = app.session_user_id());
comment on policy update_own on core.users is 'Users change their own row.';

drop policy if exists select_granted on core.users;
create policy select_granted on core.users for select to curestry_analyst
  using (id = any (app.analyst_user_ids()));
comment on policy select_granted on core.users is 'Analysts see the members of the organizations granted to them.';

grant select, update (name, avatar_url) on core.users to curestry_member;
grant select on core.users to curestry_analyst;
grant select, insert, update (email, name, avatar_url, erased_at) on core.users to curestry_definer;
grant usage on sequence core.users_id_seq to curestry_definer;

create or replace trigger _100_text before insert or update of email, name, avatar_url on core.users
  for each row execute function app.tg_users__text();
select app.personal_table('core.users', 'id', '{email,name,avatar_url}', 'clear');
select app.audit_table('core.users', organization_column => null);
