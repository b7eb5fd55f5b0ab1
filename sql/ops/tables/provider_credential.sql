comment on table ops.provider_credential is E'@unique id\nA credential for an LLM provider or an integration. The secret itself is encrypted and not in the API.';
comment on column ops.provider_credential.id is 'Identifies the row; unique across organizations.';
comment on column ops.provider_credential.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.provider_credential.provider is 'openai, anthropic, slack, github or another.';
comment on column ops.provider_credential.name is 'Tells several credentials for one provider apart.';
comment on column ops.provider_credential.credential_ref is E'@behavior -*\nThe encrypted credential, or a reference to it; not in the API.';
comment on column ops.provider_credential.encryption_key_id is E'@behavior -*\nWhich key it is encrypted with.';
comment on column ops.provider_credential.meta is 'Anything else, a JSON object.';
comment on column ops.provider_credential.created_at is 'When the row was written.';
comment on column ops.provider_credential.updated_at is 'When the row was last changed.';
comment on constraint pk_provider_credential on ops.provider_credential is 'One row per organization and id.';
comment on constraint unq_provider_credential_provider_name on ops.provider_credential is 'there is a credential with this name for this provider already';
comment on constraint fk_provider_credential_organization_id on ops.provider_credential is 'The organization must exist.';
comment on constraint chk_provider_credential_provider on ops.provider_credential is 'provider must be lower-case letters, digits, dots, hyphens and underscores';
comment on constraint chk_provider_credential_name on ops.provider_credential is 'name must not be blank';
comment on constraint chk_provider_credential_meta on ops.provider_credential is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table ops.provider_credential alter column organization_id set default app.organization_id();

alter table ops.provider_credential enable row level security;
alter table ops.provider_credential force row level security;
revoke all on ops.provider_credential from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.provider_credential;
create policy select_own on ops.provider_credential for select to curestry_member
  using (organization_id = app.organization_if('credentials:write'));
comment on policy select_own on ops.provider_credential is 'Members read the rows of their request''s organization, with credentials:write.';
grant select (id, organization_id, provider, name, meta, created_at, updated_at) on ops.provider_credential to curestry_member;

drop policy if exists definer_all on ops.provider_credential;
create policy definer_all on ops.provider_credential for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.provider_credential is 'The functions that look past row level security; the grants say what they may.';
grant select on ops.provider_credential to curestry_definer;

create or replace trigger _100_updated_at before update on ops.provider_credential
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.provider_credential', secret_columns => '{credential_ref}');
