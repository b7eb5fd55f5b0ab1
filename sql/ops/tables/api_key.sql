comment on table ops.api_key is E'@unique id\nA key for programs. Its text is shown once, when it is made; only its hash is stored, and that is not in the API.';
comment on column ops.api_key.id is 'Identifies the key; it is part of the key''s text.';
comment on column ops.api_key.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.api_key.user_id is 'Who made it; it never may more than this user.';
comment on column ops.api_key.name is 'What it is for.';
comment on column ops.api_key.key_hash is E'@behavior -*\nSHA-256 of the key, hexadecimal; not in the API.';
comment on column ops.api_key.scopes is 'What it may do: a JSON array of permissions.';
comment on column ops.api_key.expires_at is 'Until when it is accepted; null: no end.';
comment on column ops.api_key.is_revoked is 'Whether it was revoked.';
comment on column ops.api_key.by_operator is 'Whether an operator made it, on the command line, on behalf of no user.';
comment on column ops.api_key.parent_key_id is 'The key that it was made with, if it was made with a key; it never may more than that one.';
comment on column ops.api_key.revoked_at is 'When it was revoked.';
comment on column ops.api_key.last_used_at is 'When it was last used, about.';
comment on column ops.api_key.created_at is 'When the row was written.';
comment on constraint pk_api_key on ops.api_key is 'One row per organization and id.';
comment on constraint unq_api_key_key_hash on ops.api_key is E'@behavior -*\nA key is unique.';
comment on constraint fk_api_key_organization_id on ops.api_key is 'The organization must exist.';
comment on constraint fk_api_key_user_id on ops.api_key is 'The user must exist.';
comment on constraint fk_api_key_parent_key_id on ops.api_key is 'parent_key_id must name an API key of the same organization.';
comment on constraint chk_api_key_revoked_at on ops.api_key is 'revoked_at is set when the key is revoked';
comment on constraint chk_api_key_name on ops.api_key is 'name must not be blank';
comment on constraint chk_api_key_key_hash on ops.api_key is 'key_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_api_key_scopes on ops.api_key is 'scopes must be a non-empty array of known permissions';

alter table ops.api_key enable row level security;
alter table ops.api_key force row level security;
revoke all on ops.api_key from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.api_key;
create policy select_own on ops.api_key for select to curestry_member
  using (organization_id = app.organization_if('keys:write'));
comment on policy select_own on ops.api_key is 'Members read the rows of their request''s organization, with keys:write.';
grant select (id, organization_id, user_id, name, scopes, expires_at, is_revoked, by_operator, parent_key_id, revoked_at, last_used_at, created_at) on ops.api_key to curestry_member;

drop policy if exists definer_all on ops.api_key;
create policy definer_all on ops.api_key for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.api_key is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (is_revoked, revoked_at, expires_at, last_used_at) on ops.api_key to curestry_definer;

create or replace trigger _200_life before update on ops.api_key
  for each row execute function app.tg_api_key__life();
select app.audit_table('ops.api_key', secret_columns => '{key_hash}', note_columns => '{last_used_at}');
