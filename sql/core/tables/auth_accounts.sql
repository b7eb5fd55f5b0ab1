/*
 * core.auth_accounts: generated from the database by `deno task generate`
 *
 *   id                   integer       not null default nextval('core.auth_accounts_id_seq')
 *   user_id              integer       not null
 *   provider             varchar(32)   not null
 *   provider_account_id  varchar(255)  not null
 *   access_token         text
 *   refresh_token        text
 *   raw_profile          jsonb
 *   created_at           timestamptz   not null default now()
 *   encryption_key_id    varchar(100)
 *
 *   pk_auth_accounts                       primary key (id)
 *   unq_auth_accounts_provider_account_id  unique (provider, provider_account_id)
 *   fk_auth_accounts_user_id               foreign key (user_id) references core.users(id) on delete cascade
 *
 *   idx_auth_accounts_user_id  index (user_id)
 */

select app.table_usual_comments('core.auth_accounts');
comment on table core.auth_accounts is
  'An account at a sign-in provider that belongs to a user. The provider''s tokens are encrypted and not in the API.';
comment on column core.auth_accounts.id is 'Identifies the account.';
comment on column core.auth_accounts.user_id is 'Whose account it is.';
comment on column core.auth_accounts.provider is 'google, github or another provider.';
comment on column core.auth_accounts.provider_account_id is 'The provider''s id of the account.';
comment on column core.auth_accounts.access_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.refresh_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.raw_profile is
  E'@behavior -*\nWhat the provider said of the person; not in the API.';
comment on column core.auth_accounts.encryption_key_id is E'@behavior -*\nWhich key the tokens are encrypted with.';
comment on constraint pk_auth_accounts on core.auth_accounts is 'One row per account.';
comment on constraint unq_auth_accounts_provider_account_id on core.auth_accounts is
  'An account at a provider belongs to one user.';

select app.table_protect('core.auth_accounts');

drop policy if exists select_own on core.auth_accounts;
create policy select_own on core.auth_accounts for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.auth_accounts is 'Users see their own.';

grant select (id, user_id, provider, provider_account_id, created_at) on core.auth_accounts to curestry_member;
grant select, delete on core.auth_accounts to curestry_definer;

select app.personal_table('core.auth_accounts', 'user_id', '{provider_account_id,raw_profile}', 'delete');
select app.audit_table(
  'core.auth_accounts', organization_column => null, secret_columns => '{access_token,refresh_token,raw_profile}');
