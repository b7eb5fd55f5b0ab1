create or replace function app.tg_installation_secret__keep() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform app.refuse('CU002', 'The secret of the installation is kept: the digests in the audit log were made with it');
  return null;
end;
$$;
revoke execute on function app.tg_installation_secret__keep from public;
comment on function app.tg_installation_secret__keep is
  'Trigger: refuses every update, delete and truncate of the secret of the installation.';
