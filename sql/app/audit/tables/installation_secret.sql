/*
 * app.installation_secret: generated from the database by `deno task generate`
 *
 *   singleton  boolean  not null default true
 *   key        bytea    not null default public.gen_random_bytes(32)
 *
 *   pk_installation_secret             primary key (singleton)
 *   chk_installation_secret_key        check (octet_length(key) = 32)
 *   chk_installation_secret_singleton  check (singleton)
 */

comment on table app.installation_secret is
  'A random key of this installation, with which secrets are digested for the audit log; one row. Who reads the log '
  'cannot try values against a digest.';
comment on column app.installation_secret.singleton is 'There is one row.';
comment on column app.installation_secret.key is 'The key; never shown, logged or replaced.';
comment on constraint pk_installation_secret on app.installation_secret is 'There is one row.';
comment on constraint chk_installation_secret_singleton on app.installation_secret is 'there is one row';
comment on constraint chk_installation_secret_key on app.installation_secret is 'the key has 32 bytes';

select app.table_protect('app.installation_secret');

grant select on app.installation_secret to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.installation_secret
  for each statement execute function app.tg_installation_secret__keep();
