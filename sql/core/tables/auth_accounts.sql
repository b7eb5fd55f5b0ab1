comment on table core.auth_accounts is 'An account at a sign-in provider that belongs to a user. The provider''s tokens are encrypted and not in the API.';
comment on column core.auth_accounts.id is 'Identifies the account.';
comment on column core.auth_accounts.user_id is 'Whose account it is.';
comment on column core.auth_accounts.provider is 'google, github or another provider.';
comment on column core.auth_accounts.provider_account_id is 'The provider''s id of the account.';
comment on column core.auth_accounts.access_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.refresh_token is E'@behavior -*\nEncrypted; not in the API.';
comment on column core.auth_accounts.raw_profile is E'@behavior -*\nWhat the provider said of the person; not in the API.';
comment on column core.auth_accounts.created_at is 'When the row was written.';
comment on column core.auth_accounts.encryption_key_id is E'@behavior -*\nWhich key the tokens are encrypted with.';
comment on constraint pk_auth_accounts on core.auth_accounts is 'One row per account.';
comment on constraint unq_auth_accounts_provider_account_id on core.auth_accounts is 'An account at a provider belongs to one user.';
comment on constraint fk_auth_accounts_user_id on core.auth_accounts is 'The user must exist.';

alter table core.auth_accounts enable row level security;
alter table core.auth_accounts force row level security;
revoke all on core.auth_accounts from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on core.auth_accounts;
create policy select_own on core.auth_accounts for select to curestry_member
  using (user_id = app.session_user_id());
comment on policy select_own on core.auth_accounts is 'Users see their own.';
grant select (id, user_id, provider, provider_account_id, created_at) on core.auth_accounts to curestry_member;

drop policy if exists definer_all on core.auth_accounts;
create policy definer_all on core.auth_accounts for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on core.auth_accounts is 'The functions that look past row level security; the grants say what they may.';
grant select, delete on core.auth_accounts to curestry_definer;

select app.personal_table('core.auth_accounts', 'user_id', '{provider_account_id,raw_profile}', 'delete');
select app.audit_table('core.auth_accounts', organization_column => null, secret_columns => '{access_token,refresh_token,raw_profile}');
