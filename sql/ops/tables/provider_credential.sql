/*
 * ops.provider_credential: generated from the database by `deno task generate`
 *
 *   id                 uuid          not null default gen_random_uuid()
 *   organization_id    uuid          not null default app.organization_id()
 *   provider           varchar(50)   not null
 *   name               varchar(100)  not null default 'default'
 *   credential_ref     varchar(255)  not null
 *   encryption_key_id  varchar(100)
 *   meta               jsonb         not null default '{}'
 *   created_at         timestamptz   not null default now()
 *   updated_at         timestamptz   not null default now()
 *
 *   pk_provider_credential                  primary key (organization_id, id)
 *   unq_provider_credential_provider_name   unique (organization_id, provider, name)
 *   fk_provider_credential_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                             cascade
 *   chk_provider_credential_meta            check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and
 *                                             not jsonb_path_exists(meta, '$.**{33}'))
 *   chk_provider_credential_name            check (name ~ '\S')
 *   chk_provider_credential_provider        check (provider ~ '^[a-z0-9][a-z0-9_.-]*$')
 */

select app.table_usual_comments('ops.provider_credential');
comment on table ops.provider_credential is
  E'@unique id\nA credential for an LLM provider or an integration. The secret itself is encrypted and not in the '
  'API.';
comment on column ops.provider_credential.provider is 'openai, anthropic, slack, github or another.';
comment on column ops.provider_credential.name is 'Tells several credentials for one provider apart.';
comment on column ops.provider_credential.credential_ref is
  E'@behavior -*\nThe encrypted credential, or a reference to it; not in the API.';
comment on column ops.provider_credential.encryption_key_id is E'@behavior -*\nWhich key it is encrypted with.';
comment on column ops.provider_credential.meta is 'Anything else, a JSON object.';
comment on constraint unq_provider_credential_provider_name on ops.provider_credential is
  'there is a credential with this name for this provider already';
comment on constraint chk_provider_credential_provider on ops.provider_credential is
  'provider must be lower-case letters, digits, dots, hyphens and underscores';
comment on constraint chk_provider_credential_name on ops.provider_credential is 'name must not be blank';
comment on constraint chk_provider_credential_meta on ops.provider_credential is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';

alter table ops.provider_credential alter column organization_id set default app.organization_id();

select app.table_protect('ops.provider_credential');
select app.table_policies_for_members('ops.provider_credential', to_read => 'credentials:write');

grant select (id, organization_id, provider, name, meta, created_at, updated_at)
   on ops.provider_credential to curestry_member;
grant select on ops.provider_credential to curestry_definer;

create or replace trigger _100_updated_at before update on ops.provider_credential
  for each row execute function app.tg__updated_at();
select app.audit_table('ops.provider_credential', secret_columns => '{credential_ref}');
