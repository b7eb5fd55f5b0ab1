comment on table core.users is 'A person who can sign in. Persons belong to no organization; memberships say what they may do where.';
comment on column core.users.id is 'Identifies the user.';
comment on column core.users.email is 'E-mail address, unique without regard to case; null for an anonymous user.';
comment on column core.users.name is 'Display name.';
comment on column core.users.avatar_url is 'Address of a picture.';
comment on column core.users.created_at is 'When the row was written.';
comment on column core.users.erased_at is 'When the person was erased; nobody is behind this account any more.';
comment on constraint pk_users on core.users is 'One row per user.';
comment on constraint unq_users_email on core.users is 'There is a user with this e-mail address already.';
comment on constraint chk_users_email on core.users is 'email must be an e-mail address';
comment on constraint chk_users_erased_at on core.users is 'an erased account stays without e-mail address, name and picture';
comment on index core.unq_users_email_lower is 'there is a user with this e-mail address already';

alter table core.users enable row level security;
alter table core.users force row level security;
revoke all on core.users from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.users;
create policy select_own on core.users for select to curestry_member
  using (id = any (app.visible_user_ids()));
comment on policy select_own on core.users is 'Members see themselves and the members of their requests organization.';
grant select on core.users to curestry_member;

drop policy if exists update_own on core.users;
create policy update_own on core.users for update to curestry_member
  using (id = app.session_user_id());
comment on policy update_own on core.users is 'Users change their own row.';
grant update (name, avatar_url) on core.users to curestry_member;

drop policy if exists select_granted on core.users;
create policy select_granted on core.users for select to curestry_analyst
  using (id = any (app.analyst_user_ids()));
comment on policy select_granted on core.users is 'Analysts see the members of the organizations granted to them.';
grant select on core.users to curestry_analyst;

drop policy if exists definer_all on core.users;
create policy definer_all on core.users for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.users is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (email, name, avatar_url, erased_at) on core.users to curestry_definer;
grant usage on sequence core.users_id_seq to curestry_definer;

select app.personal_table('core.users', 'id', '{email,name,avatar_url}', 'clear');
select app.audit_table('core.users', organization_column => null);
