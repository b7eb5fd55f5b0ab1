/*
 * ops.api_key: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null
 *   user_id          integer
 *   name             varchar(255)  not null
 *   key_hash         varchar(255)  not null
 *   scopes           jsonb         not null default '[]'
 *   expires_at       timestamptz
 *   is_revoked       boolean       not null default false
 *   by_operator      boolean       not null default false
 *   parent_key_id    uuid
 *   revoked_at       timestamptz
 *   last_used_at     timestamptz
 *   created_at       timestamptz   not null default now()
 *
 *   pk_api_key                  primary key (organization_id, id)
 *   unq_api_key_key_hash        unique (key_hash)
 *   fk_api_key_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_api_key_parent_key_id    foreign key (organization_id, parent_key_id) references ops.api_key(organization_id,
 *                                 id)
 *   fk_api_key_user_id          foreign key (user_id) references core.users(id) on delete set null
 *   chk_api_key_key_hash        check (key_hash ~ '^[0-9a-f]{64}$')
 *   chk_api_key_name            check (name ~ '\S')
 *   chk_api_key_revoked_at      check ((revoked_at is not null) = is_revoked)
 *   chk_api_key_scopes          check (jsonb_typeof(scopes) = 'array' and scopes <> '[]' and scopes <@
 *                                 '["prompts:read", "prompts:write", "analyses:read", "analyses:write",
 *                                 "workflows:read", "workflows:write", "rubrics:read", "rubrics:write",
 *                                 "features:write", "marts:read", "members:read", "members:write", "keys:write",
 *                                 "credentials:write", "audit:read", "organization:write"]')
 *
 *   idx_api_key_organization_id  index (organization_id, created_at, id)
 *   idx_api_key_parent_key_id    index (organization_id, parent_key_id)
 *   idx_api_key_user_id          index (user_id)
 */

select app.table_usual_comments('ops.api_key');
comment on table ops.api_key is
  E'@unique id\nA key for programs. Its text is shown once, when it is made; only its hash is stored, and that is '
  'not in the API.';
comment on column ops.api_key.id is 'Identifies the key; it is part of the key''s text.';
comment on column ops.api_key.user_id is 'Who made it; it never may more than this user.';
comment on column ops.api_key.name is 'What it is for.';
comment on column ops.api_key.key_hash is E'@behavior -*\nSHA-256 of the key, hexadecimal; not in the API.';
comment on column ops.api_key.scopes is E'@strings\nWhat it may do: a JSON array of permissions.';
comment on column ops.api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.api_key.is_revoked is 'Whether it was revoked.';
comment on column ops.api_key.by_operator is 'Whether an operator made it, on the command line, on behalf of no user.';
comment on column ops.api_key.parent_key_id is
  'The key that it was made with, if it was made with a key; it never may more than that one.';
comment on column ops.api_key.revoked_at is 'When it was revoked.';
comment on column ops.api_key.last_used_at is 'When it was last used, about.';
comment on constraint unq_api_key_key_hash on ops.api_key is E'@behavior -*\nA key is unique.';
comment on constraint fk_api_key_parent_key_id on ops.api_key is
  'parent_key_id must name an API key of the same organization.';
comment on constraint chk_api_key_revoked_at on ops.api_key is 'revoked_at is set when the key is revoked';
comment on constraint chk_api_key_name on ops.api_key is 'name must not be blank';
comment on constraint chk_api_key_key_hash on ops.api_key is 'key_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_api_key_scopes on ops.api_key is 'scopes must be a non-empty array of known permissions';

select app.table_protect('ops.api_key');
select app.table_policies_for_members('ops.api_key', to_read => 'keys:write');

grant select (id, organization_id, user_id, name, scopes, expires_at, is_revoked, by_operator, parent_key_id,
              revoked_at, last_used_at, created_at)
   on ops.api_key to curestry_member;
grant select, insert, update (is_revoked, revoked_at, expires_at, last_used_at) on ops.api_key to curestry_definer;

create or replace trigger _100_name before insert on ops.api_key
  for each row execute function app.tg_api_key__name();
create or replace trigger _200_finite before insert or update of expires_at on ops.api_key
  for each row when (not isfinite(NEW.expires_at)) execute function app.tg__finite_time('expiresAt');
create or replace trigger _200_life before update on ops.api_key
  for each row execute function app.tg_api_key__life();
select app.audit_table('ops.api_key', secret_columns => '{key_hash}', note_columns => '{last_used_at}');
