--! Previous: sha1:38d45ddbcf49d77c285b8cfd9847ba7d50f38ead
--! Hash: sha1:972ea41bc21c3628219a740766468ac808997d08
--! Message: nobody stops the others

-- A migration that waits has everybody wait behind it: it gives up soon, and `migrate` runs it again
set local lock_timeout = '3s';

drop function if exists app.erasure_mentions(text);

-- What the audit log has of secret columns is digested with a key of this installation.
create table if not exists app.installation_secret (
  singleton boolean not null default true,
  key bytea not null default public.gen_random_bytes(32),
  constraint pk_installation_secret primary key (singleton),
  constraint chk_installation_secret_singleton check (singleton),
  constraint chk_installation_secret_key check (octet_length(key) = 32)
);
alter table app.installation_secret no force row level security;
insert into app.installation_secret default values on conflict do nothing;

-- Locks that only those can take who have a privilege on these tables
create table if not exists app.lock (
    name text not null,
    constraint pk_lock primary key (name)
);
insert into app.lock (name) values ('audit retention'), ('facts retention'), ('partitions') on conflict do nothing;
create table if not exists app.organization_lock (
    organization_id uuid not null,
    name text not null,
    constraint pk_organization_lock primary key (organization_id, name),
    constraint fk_organization_lock_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade
);

drop function if exists app.worker_lock_key(text);

-- A rebuild of marts goes on slice by slice
alter table app.mart_state add column if not exists rebuild_change_id bigint;
alter table app.mart_state add column if not exists rebuild_time_zone text;
alter table app.mart_state add column if not exists rebuild_next_ts timestamptz;
alter table app.mart_state drop constraint if exists chk_mart_state_rebuild;
alter table app.mart_state add constraint chk_mart_state_rebuild
    check ((rebuild_change_id is null) = (rebuild_time_zone is null)
           and (rebuild_change_id is null) = (rebuild_next_ts is null));

-- How many of something there may be
create table if not exists app.quota (
    name text not null,
    maximum integer not null,
    constraint pk_quota primary key (name),
    constraint chk_quota_maximum check (maximum >= 0)
);
insert into app.quota (name, maximum)
values ('organizations_of_person', 20), ('members_of_organization', 1000), ('api_keys_of_organization', 500)
on conflict do nothing;
create table if not exists app.organization_creation (
    organization_id uuid not null,
    user_id integer not null,
    constraint pk_organization_creation primary key (organization_id),
    constraint fk_organization_creation_organization_id foreign key (organization_id)
        references ops.organization (id) on delete cascade,
    constraint fk_organization_creation_user_id foreign key (user_id) references core.users (id) on delete cascade
);
create index if not exists idx_organization_creation_user_id on app.organization_creation (user_id);

--! Included app/request/text_is_plain.sql
/*
 * No control characters, none that are invisible, and none that change the direction of what follows. Joiners and
 * variants of emoji are characters of names where they follow something beyond ASCII.
 */
create or replace function app.text_is_plain(text text) returns boolean
language sql immutable parallel safe
return text !~ ('[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f'
                '\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]')
       and text !~ '(^|[\u0001-\u007f])[\u200c\u200d\ufe00-\ufe0f]';
revoke execute on function app.text_is_plain from public;
grant execute on function app.text_is_plain to curestry_definer;
comment on function app.text_is_plain is 'Whether a text, as of a name, shows all that is in it.';
--! EndIncluded app/request/text_is_plain.sql
--! Included app/request/tg__finite_time.sql
/* The argument is the field, as callers know it. */
create or replace function app.tg__finite_time() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform app.refuse('CU004', format('%s: must be a time, and infinity is none', TG_ARGV[0]), TG_ARGV[0],
                     'finite_time');
  return null;
end;
$$;
revoke execute on function app.tg__finite_time from public;
comment on function app.tg__finite_time is 'Trigger: refuses infinity; its condition says when.';
--! EndIncluded app/request/tg__finite_time.sql
--! Included app/members/quota_check.sql
create or replace function app.quota_check(quota_name text, present bigint) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  v_maximum constant integer := (select q.maximum from app.quota q where q.name = quota_name);
begin
  if present >= v_maximum then
    perform app.refuse('CU006', format('The quota %s is used up: %s; an operator can raise it', quota_name, v_maximum),
                       null, 'quota_' || quota_name);
  end if;
end;
$$;
alter function app.quota_check owner to curestry_definer;
revoke execute on function app.quota_check from public;
comment on function app.quota_check is 'Refuses (CU006) one more where a quota is used up.';
--! EndIncluded app/members/quota_check.sql
--! Included app/members/quota_set.sql
create or replace function app.quota_set(quota_name text, new_maximum integer) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  update app.quota q set maximum = new_maximum where q.name = quota_name;
  if not found then
    perform app.refuse('CU003', format('There is no quota %L', quota_name), 'name');
  end if;
end;
$$;
alter function app.quota_set owner to curestry_definer;
revoke execute on function app.quota_set from public;
grant execute on function app.quota_set to curestry_owner;
comment on function app.quota_set is 'Changes a quota, for all. For operators.';
--! EndIncluded app/members/quota_set.sql
--! Included app/members/tg_users__text.sql
create or replace function app.tg_users__text() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Rows of the old backends keep what they have until it is changed
  if NEW.email is not null and (TG_OP = 'INSERT' or NEW.email is distinct from OLD.email) then
    NEW.email := app.email_normalize(NEW.email);
  end if;
  if NEW.name is not null and (TG_OP = 'INSERT' or NEW.name is distinct from OLD.name) then
    NEW.name := normalize(btrim(NEW.name), NFC);
    if not app.text_is_plain(NEW.name) then
      perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name', 'users_name');
    end if;
  end if;
  if NEW.avatar_url is not null and (TG_OP = 'INSERT' or NEW.avatar_url is distinct from OLD.avatar_url)
     and (NEW.avatar_url !~* '^https?://[^\s/<>"''`\\@]+(/[^\s<>"''`\\]*)?$' or not app.text_is_plain(NEW.avatar_url))
  then
    perform app.refuse('CU004', 'avatarUrl: must be an address that begins with https:// or http://',
                       'avatarUrl', 'users_avatar_url');
  end if;
  return NEW;
end;
$$;
alter function app.tg_users__text owner to curestry_definer;
revoke execute on function app.tg_users__text from public;
comment on function app.tg_users__text is
  'Trigger: a new e-mail address is normalized, a new name shows all that is in it, a new picture is on the web.';
--! EndIncluded app/members/tg_users__text.sql
--! Included app/members/tg_organization__name.sql
/* The slugs that the system gives are its own: whoever took them would keep others from having an account. */
create or replace function app.tg_organization__name() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if (TG_OP = 'INSERT' or NEW.slug is distinct from OLD.slug)
     and (NEW.slug ~ '^user-[0-9]' or NEW.slug = 'legacy')
     and not coalesce(NEW.slug ~ ('^user-' || NEW.personal_user_id || '(-|$)'), false) then
    perform app.refuse('CU004', format('slug: %s is reserved, take another one', NEW.slug), 'slug',
                       'organization_slug_reserved');
  end if;
  if TG_OP = 'INSERT' or NEW.name is distinct from OLD.name then
    NEW.name := normalize(btrim(NEW.name), NFC);
    if not app.text_is_plain(NEW.name) then
      perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name',
                         'organization_name');
    end if;
  end if;
  return NEW;
end;
$$;
alter function app.tg_organization__name owner to curestry_definer;
revoke execute on function app.tg_organization__name from public;
comment on function app.tg_organization__name is
  'Trigger: a new slug is none that the system gives, and a new name shows all that is in it.';
--! EndIncluded app/members/tg_organization__name.sql
--! Included app/members/tg_organization_user__keys.sql
/* Whichever way a member leaves. Somebody who is invited again makes new keys. */
create or replace function app.tg_organization_user__keys() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update ops.api_key k set is_revoked = true, revoked_at = now()
   where k.organization_id = OLD.organization_id and k.user_id = OLD.user_id and not k.is_revoked
     and exists (select from ops.organization o where o.id = OLD.organization_id);
  return null;
end;
$$;
alter function app.tg_organization_user__keys owner to curestry_definer;
revoke execute on function app.tg_organization_user__keys from public;
comment on function app.tg_organization_user__keys is 'Trigger: the API keys of a member who leaves are revoked.';
--! EndIncluded app/members/tg_organization_user__keys.sql
--! Included app/members/tg_organization_user__quota.sql
/* Members are changed one at a time: whoever adds one locks the organization's row. */
create or replace function app.tg_organization_user__quota() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform from ops.organization o where o.id = NEW.organization_id for no key update;
  perform app.quota_check('members_of_organization', (
    select count(*) from ops.organization_user m
     where m.organization_id = NEW.organization_id and m.status <> 'removed' and m.user_id <> NEW.user_id));
  return NEW;
end;
$$;
alter function app.tg_organization_user__quota owner to curestry_definer;
revoke execute on function app.tg_organization_user__quota from public;
comment on function app.tg_organization_user__quota is 'Trigger: the quota of members, with invitations.';
--! EndIncluded app/members/tg_organization_user__quota.sql
--! Included app/access/tg_api_key__name.sql
create or replace function app.tg_api_key__name() returns trigger
language plpgsql set search_path = '' as $$
begin
  NEW.name := normalize(btrim(NEW.name), NFC);
  if not app.text_is_plain(NEW.name) then
    perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name', 'api_key_name');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_api_key__name from public;
comment on function app.tg_api_key__name is 'Trigger: the name of a new key shows all that is in it.';
--! EndIncluded app/access/tg_api_key__name.sql
--! Included app/request/lock_take.sql
create or replace function app.lock_take(lock_name text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform from app.lock l where l.name = lock_name for update;
  if not found then
    raise exception 'There is no lock %', lock_name;
  end if;
end;
$$;
alter function app.lock_take owner to curestry_definer;
revoke execute on function app.lock_take from public;
comment on function app.lock_take is
  'Waits for a lock of the installation, which this transaction then holds until it ends.';
--! EndIncluded app/request/lock_take.sql
--! Included app/request/organization_lock_take.sql
/* The statement after it sees what the holder before has written. A deleted organization has no locks. */
create or replace function app.organization_lock_take(organization uuid, lock_name text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform from app.organization_lock l where l.organization_id = organization and l.name = lock_name for update;
  if not found then
    insert into app.organization_lock (organization_id, name)
    select o.id, lock_name from ops.organization o where o.id = organization
    on conflict do nothing;
    perform from app.organization_lock l where l.organization_id = organization and l.name = lock_name for update;
  end if;
end;
$$;
alter function app.organization_lock_take owner to curestry_definer;
revoke execute on function app.organization_lock_take from public;
comment on function app.organization_lock_take is
  'Waits for a lock of an organization, which this transaction then holds until it ends.';
--! EndIncluded app/request/organization_lock_take.sql
--! Included app/request/organization_lock_try.sql
create or replace function app.organization_lock_try(organization uuid, lock_name text) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not exists (select from app.organization_lock l where l.organization_id = organization and l.name = lock_name) then
    insert into app.organization_lock (organization_id, name)
    select o.id, lock_name from ops.organization o where o.id = organization
    on conflict do nothing;
  end if;
  perform from app.organization_lock l
    where l.organization_id = organization and l.name = lock_name
      for update skip locked;
  return found or not exists (select from ops.organization o where o.id = organization);
end;
$$;
alter function app.organization_lock_try owner to curestry_definer;
revoke execute on function app.organization_lock_try from public;
comment on function app.organization_lock_try is
  'Takes a lock of an organization until the transaction ends; false if another transaction holds it.';
--! EndIncluded app/request/organization_lock_try.sql
--! Included app/request/request_id_to_keep.sql
/*
 * The log keeps it for as long as the row, also when the person is erased: so it may not say who they are. Marks of the
 * system's own work are nobody else's.
 */
create or replace function app.request_id_to_keep(request_id text, user_id integer) returns text
language sql stable security definer set search_path = '' as $$
  select case
    when request_id is null then ''
    when request_id ~* '^\W*(migration|retention|restore|erasure|operator|worker|system)\W*$'
      or request_id like '%@%'
      or exists (
           select from core.users u,
                  unnest(array[split_part(u.email, '@', 1)] || regexp_split_to_array(u.name, '\W+')) as n (word)
            where u.id = request_id_to_keep.user_id and char_length(n.word) >= 3
              and position(lower(n.word) in lower(request_id)) > 0)
      then 'id-' || encode(sha256(convert_to(request_id, 'UTF8')), 'hex')
    else left(request_id, 128)
  end;
$$;
alter function app.request_id_to_keep owner to curestry_definer;
revoke execute on function app.request_id_to_keep from public;
comment on function app.request_id_to_keep is
  'The id of a request as the log may keep it: a digest in place of one with an address, the name of the user, or a '
  'word of the system''s own.';
--! EndIncluded app/request/request_id_to_keep.sql
--! Included app/request/begin_request.sql
/*
 * The first statement of every transaction of the gateway. It receives a credential, not a claim: user, organization
 * and permissions are looked up here, each time, so that a revocation or a demotion takes effect with the next
 * request.
 *
 * The settings are local to the transaction. The gateway sets the role itself afterwards: "set role" is refused
 * inside a definer function.
 */
create or replace function app.begin_request(
  session_jwt_id text, api_key_hash text, organization_slug text, request_id text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user integer;
  v_session integer;
  v_key uuid;
  v_organization uuid;
  v_permissions text[] := '{}';
begin
  if api_key_hash is not null then
    select k.organization_id, k.id, k.user_id, app.api_key_permissions(k)
      into v_organization, v_key, v_user, v_permissions
      from ops.api_key k
     where k.key_hash = api_key_hash and not k.is_revoked and (k.expires_at is null or k.expires_at > now());
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    if organization_slug is not null
       and not exists (select from ops.organization o where o.id = v_organization and o.slug = organization_slug) then
      perform app.refuse('CU002', 'This API key belongs to another organization than X-Curestry-Organization names');
    end if;

  elsif session_jwt_id is not null then
    select s.id, s.user_id
      into v_session, v_user
      from core.sessions s
     where s.jwt_id = session_jwt_id and s.expires_at > now() and s.revoked_at is null;
    if not found then
      perform app.refuse('CU001', 'These credentials are not valid');
    end if;
    select m.organization_id, app.role_permissions(m.role)
      into v_organization, v_permissions
      from ops.organization o
      join ops.organization_user m on m.organization_id = o.id and m.user_id = v_user and m.status = 'active'
     where case when organization_slug is null then o.personal_user_id = v_user else o.slug = organization_slug end;
    if not found and organization_slug is not null then
      perform app.refuse('CU002',
        'You are not an active member of the organization that X-Curestry-Organization names');
    end if;
  end if;

  perform set_config('curestry.user_id', coalesce(v_user::text, ''), true),
          set_config('curestry.session_id', coalesce(v_session::text, ''), true),
          set_config('curestry.api_key_id', coalesce(v_key::text, ''), true),
          set_config('curestry.organization_id', coalesce(v_organization::text, ''), true),
          set_config('curestry.permissions', ' ' || array_to_string(v_permissions, ' ') || ' ', true),
          set_config('curestry.request_id', app.request_id_to_keep(request_id, v_user), true);
end;
$$;
alter function app.begin_request owner to curestry_definer;
revoke execute on function app.begin_request from public;
grant execute on function app.begin_request to curestry_gateway;
comment on function app.begin_request is
  'Verifies the credential of a request and sets, for this transaction, its user, organization, permissions and '
  'request id.';
--! EndIncluded app/request/begin_request.sql
--! Included app/audit/tg_installation_secret__keep.sql
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
--! EndIncluded app/audit/tg_installation_secret__keep.sql
--! Included app/audit/audit_secret_digest.sql
/* HMAC with the secret of the installation. The row is part of it: equal secrets of two rows do not look equal. */
create or replace function app.audit_secret_digest(secrets jsonb) returns text
language sql stable
return (select left(encode(public.hmac(convert_to(secrets::text, 'UTF8'), s.key, 'sha256'), 'hex'), 32)
          from app.installation_secret s);
revoke execute on function app.audit_secret_digest from public;
grant execute on function app.audit_secret_digest to curestry_definer;
comment on function app.audit_secret_digest is
  'What the audit log has of the secret columns of a row, given as [table, id, value, ...]: it changes with them, and '
  'says nothing of them.';
--! EndIncluded app/audit/audit_secret_digest.sql
--! Included app/audit/audit_secret_source.sql
create or replace function app.audit_secret_source(audited app.audited_table, alias text) returns text
language sql immutable
return case when audited.secret_columns <> '{}' then
  format('app.audit_secret_digest(jsonb_build_array(%L, %s.%I, %s))', audited.table_name, alias, audited.id_column,
         (select string_agg(format('%s.%I', alias, c), ', ' order by c) from unnest(audited.secret_columns) as c)) end;
revoke execute on function app.audit_secret_source from public;
grant execute on function app.audit_secret_source to curestry_definer;
comment on function app.audit_secret_source is
  'The expression for the digest of the secret columns of a row of a table, which has this alias in a query; null if '
  'it has none.';
--! EndIncluded app/audit/audit_secret_source.sql
--! Included app/audit/audit_digest_source.sql
create or replace function app.audit_digest_source(audited app.audited_table, alias text) returns text
language sql immutable
return format('jsonb_build_object(%s)', concat_ws(', ',
  '''secrets'', ' || app.audit_secret_source(audited, alias),
  case when audited.summarize_inserts then
    format('''digest'', hashtextextended(hash_record_extended(%s, 0)::text, 0)::text', alias) end));
revoke execute on function app.audit_digest_source from public;
grant execute on function app.audit_digest_source to curestry_definer;
comment on function app.audit_digest_source is
  'The expression for the digests that the audit log has of a row of a table, which has this alias in a query.';
--! EndIncluded app/audit/audit_digest_source.sql
--! Included app/audit/audit_trigger_source.sql
/*
 * Generates the body of a table's audit trigger. It lists the columns that may be logged: to_jsonb of a row of those
 * costs a third less than jsonb_build_object with each name. The body depends only on the catalogue and on
 * app.audited_table; app.security_findings compares the deployed one with the one that would be generated now, so a
 * new column cannot be forgotten.
 *
 * Of secret columns a state has a keyed digest, "secrets". Of facts whose inserts are summarized, the log has the sum
 * of a hash of each row, in any order, which can be compared with that of the table. The hash is PostgreSQL's own, of
 * 64 bits, because recording must stay cheap: it finds a change, but not one that was computed to leave the sum as it
 * is. It is taken twice: that of a record is linear, so that values which changed places between two rows would leave
 * the sum. It covers all columns: a migration that adds one to such a table ends with app.audit_baseline_facts.
 */
create or replace function app.audit_trigger_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_into constant text :=
    E'insert into ops.audit_log\n      (actor_user_id, actor_api_key_id, request_id, organization_id, action, '
    'entity_type, entity_id';
  -- The query itself reads the settings, for each row. Variables would be parameters, for which the query is planned
  -- again and again; a join with a row that has them costs more.
  v_who constant text := $who$nullif(current_setting('curestry.user_id', true), '')::integer,
           nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           nullif(current_setting('curestry.request_id', true), '')$who$;
  v_nil constant text := quote_literal('00000000-0000-0000-0000-000000000000');
  v_organization_column constant text := quote_ident(audited.organization_column);
  v_new_owner constant text := coalesce('n.' || v_organization_column, v_nil || '::uuid');
  v_old_owner constant text := coalesce('o.' || v_organization_column, v_nil || '::uuid');
  v_new_entity constant text := format('%L, n.%I', audited.table_name, audited.id_column);
  v_old_entity constant text := format('%L, o.%I', audited.table_name, audited.id_column);
  v_same_row text := format('o.%1$I = n.%1$I', audited.id_column);
  v_new_state text;
  v_old_state text;
  v_new_digest text := '';
  v_old_digest text := '';
  v_changed text;
  v_differs text;
  v_insert text;
  v_update text;
  v_update_from text;
  v_removal_by_age text;
  v_delete text;
  v_truncate text;
begin
  if audited.organization_column <> audited.id_column then
    v_same_row := v_same_row || format(' and o.%1$I = n.%1$I', audited.organization_column);
  end if;
  if audited.secret_columns <> '{}' then
    v_new_digest := format(E',\n                           %s as secrets', app.audit_secret_source(audited, 'n'));
    v_old_digest := format(E',\n                           %s as secrets', app.audit_secret_source(audited, 'o'));
  end if;
  if audited.summarize_inserts then
    v_new_digest := v_new_digest || ', hashtextextended(hash_record_extended(n, 0)::text, 0)::text as digest';
    v_old_digest := v_old_digest || ', hashtextextended(hash_record_extended(o, 0)::text, 0)::text as digest';
  end if;
  select format('lateral (select %s%s) n_state', string_agg(format('n.%I', a.attname), ', ' order by a.attnum),
                v_new_digest),
         format('lateral (select %s%s) o_state', string_agg(format('o.%I', a.attname), ', ' order by a.attnum),
                v_old_digest)
    into v_new_state, v_old_state
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (audited.secret_columns);
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname),
                    E',\n                              ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), E'\n        or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  if audited.summarize_inserts then
    v_insert := format($insert$
    select %s,
           n.organization_id, 'insert', %L,
           case when count(*) = 1 then min(n.%I::text) else count(*) || ' rows' end,
           jsonb_build_object('rows', count(*),
                              'digest', sum(hashtextextended(hash_record_extended(n, 0)::text, 0))::text)
      from new_rows n
     group by n.organization_id;$insert$, v_who, audited.table_name, audited.id_column);
    v_removal_by_age := format($delete$
    select %s,
           o.organization_id, 'delete', %L, count(*) || ' rows',
           jsonb_build_object('rows', count(*),
                              'digest', sum(hashtextextended(hash_record_extended(o, 0)::text, 0))::text)
      from old_rows o
     group by o.organization_id;$delete$, v_who, audited.table_name);
  else
    v_insert := format($insert$
    select %s,
           %s, 'insert', %s, to_jsonb(n_state)
      from new_rows n,
           %s;$insert$, v_who, v_new_owner, v_new_entity, v_new_state);
    v_removal_by_age := format($delete$
    select %s,
           %s, 'delete', %s, null::jsonb
      from old_rows o;$delete$, v_who, v_old_owner, v_old_entity);
  end if;
  v_update := format($update$
    select %s,
           %s, 'update', %s, to_jsonb(o_state), to_jsonb(n_state),
           array_remove(array[%s]::text[], null)$update$, v_who, v_new_owner, v_new_entity, v_changed);
  v_update_from := format($update$
      from new_rows n
      join old_rows o on %s,
           %s,
           %s
     where %s;$update$, v_same_row, v_old_state, v_new_state, v_differs);
  v_delete := format($delete$
    select %s,
           %s, 'delete', %s, to_jsonb(o_state)
      from old_rows o,
           %s;$delete$, v_who, v_old_owner, v_old_entity, v_old_state);
  v_truncate := format($truncate$
    select %s,
           %s, 'truncate', %L, '*';$truncate$, v_who, v_nil, audited.table_name);

  return concat(E'\nbegin',
    E'\n  if TG_OP = ''INSERT'' then',
    E'\n    ', v_into, ', after_state)', v_insert,
    E'\n  elsif TG_OP = ''UPDATE'' then',
    E'\n    ', v_into, E',\n       before_state, after_state, changed_columns)', v_update, v_update_from,
    E'\n  elsif TG_OP = ''DELETE'' and coalesce(current_setting(''curestry.retention'', true), '''') = ''on'' then',
    E'\n    -- removed by age: not to be kept here instead',
    E'\n    ', v_into, ', before_state)', v_removal_by_age,
    E'\n  elsif TG_OP = ''DELETE'' then',
    E'\n    ', v_into, ', before_state)', v_delete,
    E'\n  else -- truncate: no rows are given; the statement itself is the event',
    E'\n    ', v_into, ')', v_truncate,
    E'\n  end if;',
    E'\n  return null;',
    E'\nend;\n');
end;
$$;
revoke execute on function app.audit_trigger_source from public;
comment on function app.audit_trigger_source is
  'The body of the audit trigger of a table, as it would be generated now.';
--! EndIncluded app/audit/audit_trigger_source.sql
--! Included app/retention/partition_make_all.sql
/*
 * Creates monthly partitions before they are needed. A row of a month without one goes to the default partition, so
 * no row is refused; when the partition is created, such rows move there. Months of the last five years that turn out
 * to have rows get one too. Only the owner of a table can attach a partition: this is one of the few functions that
 * act as curestry_owner.
 */
create or replace function app.partition_make_all() returns setof text
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_table app.partitioned_table;
  v_parent name;
  v_name name;
  v_month timestamptz;
  v_of regclass;
begin
  perform app.lock_take('partitions');
  for v_table in select * from app.partitioned_table order by table_name loop
    v_of := v_table.table_name;
    v_parent := split_part(v_table.table_name, '.', 2);
    for v_month in execute format($query$
      select month
        from generate_series(date_trunc('month', now()), date_trunc('month', now()) + %s * interval '1 month',
                             interval '1 month') as month
      union
      select date_trunc('month', %I) from app.%I where %2$I < now() and %2$I >= now() - interval '5 years'
      order by 1
    $query$, v_table.months_ahead, v_table.time_column, v_parent || '_default') loop
      v_name := v_parent || to_char(v_month, '_YYYY_MM');
      continue when to_regclass(format('app.%I', v_name)) is not null;
      execute format('create table app.%I (like %s including defaults including constraints)', v_name, v_of);
      execute format('comment on table app.%I is %L', v_name, v_table.table_name || to_char(v_month, '" of "YYYY-MM'));
      perform app.table_protect(format('app.%I', v_name)::regclass);
      execute format($query$
        with moved as (delete from app.%1$I where %2$I >= $1 and %2$I < $2 returning *)
        insert into app.%3$I select * from moved
      $query$, v_parent || '_default', v_table.time_column, v_name) using v_month, v_month + interval '1 month';
      execute format('alter table %s attach partition app.%I for values from (%L) to (%L)',
        v_of, v_name, v_month, v_month + interval '1 month');
      if v_table.table_name = 'ops.audit_log' then
        execute format('create trigger _200_append_only before update or delete or truncate on app.%I'
          || ' for each statement execute function app.tg_audit_log__append_only()', v_name);
      end if;
      return next v_name;
    end loop;
  end loop;
end;
$$;
revoke execute on function app.partition_make_all from public;
grant execute on function app.partition_make_all to curestry_worker;
comment on function app.partition_make_all is
  'Creates the partitions of the coming months, and of months that have rows but no partition; returns which. A job '
  'of the worker.';
--! EndIncluded app/retention/partition_make_all.sql
--! Included app/analyses/exact_numeric.sql
/*
 * By way of the text, which has the shortest digits that give the same double again: a cast keeps fifteen. A number
 * of the old backends that is none (NaN, Infinity) is null.
 */
create or replace function app.exact_numeric(number double precision) returns numeric
language sql immutable parallel safe
return case when number > '-Infinity' and number < 'Infinity' then number::text::numeric end;
revoke execute on function app.exact_numeric from public;
grant execute on function app.exact_numeric to curestry_definer;
comment on function app.exact_numeric is 'A double as numeric, with all of its digits; null for NaN and Infinity.';
--! EndIncluded app/analyses/exact_numeric.sql
--! Included app/analyses/analysis_document_metrics.sql
/*
 * A document's numbers are metrics of its run too: the one list of which, and under which keys. The keys are reserved:
 * a metric of that name is the document's, or says the same.
 */
create or replace function app.analysis_document_metrics(
  overall_score double precision, judge_score double precision, semantic_entropy double precision,
  complexity_score double precision, length_chars integer, length_words integer
) returns table (key text, value numeric)
language sql immutable
begin atomic
  select m.key, m.value
    from (values
      ('overall_score', app.exact_numeric(overall_score)), ('judge_score', app.exact_numeric(judge_score)),
      ('semantic_entropy', app.exact_numeric(semantic_entropy)),
      ('complexity_score', app.exact_numeric(complexity_score)),
      ('length_chars', length_chars::numeric), ('length_words', length_words::numeric)) as m (key, value);
end;
revoke execute on function app.analysis_document_metrics from public;
grant execute on function app.analysis_document_metrics to curestry_definer;
comment on function app.analysis_document_metrics is
  'The numbers of an analysis document as metrics: key and value.';
--! EndIncluded app/analyses/analysis_document_metrics.sql
--! Included app/analyses/tg_analysis_results__metrics.sql
/*
 * Written in the same transaction as the document, so that the two cannot disagree. app.analysis_item_problems refuses
 * a metric under one of these keys that says otherwise.
 */
create or replace function app.tg_analysis_results__metrics() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
  select d.organization_id, d.analysis_run_id, m.key, m.value, d.occurred_at
    from new_rows d,
         lateral app.analysis_document_metrics(d.overall_score, d.judge_score, d.semantic_entropy, d.complexity_score,
                                               d.length_chars, d.length_words) as m
   where m.value is not null
  on conflict (organization_id, analysis_run_id, key) do update
    set value_num = excluded.value_num, value_text = null, value_json = null;
  return null;
end;
$$;
alter function app.tg_analysis_results__metrics owner to curestry_definer;
revoke execute on function app.tg_analysis_results__metrics from public;
comment on function app.tg_analysis_results__metrics is
  'Trigger: mirrors the numbers of an analysis document into the metrics of its run.';
--! EndIncluded app/analyses/tg_analysis_results__metrics.sql
--! Included app/analyses/tg_analysis_run__facts_follow.sql
/*
 * A run that was recorded while it was going on has facts from then. They count when it counts: all marts have the
 * run at one time, whenever it ends.
 */
create or replace function app.tg_analysis_run__facts_follow() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update ops.analysis_metric m set occurred_at = NEW.occurred_at
   where m.organization_id = NEW.organization_id and m.analysis_run_id = NEW.id and m.occurred_at <> NEW.occurred_at;
  update ops.analysis_node_result n set occurred_at = NEW.occurred_at
   where n.organization_id = NEW.organization_id and n.analysis_run_id = NEW.id and n.occurred_at <> NEW.occurred_at;
  update ops.judge_score s set occurred_at = NEW.occurred_at
   where s.organization_id = NEW.organization_id and s.analysis_run_id = NEW.id and s.occurred_at <> NEW.occurred_at;
  return null;
end;
$$;
alter function app.tg_analysis_run__facts_follow owner to curestry_definer;
revoke execute on function app.tg_analysis_run__facts_follow from public;
comment on function app.tg_analysis_run__facts_follow is
  'Trigger: what a run has measured counts at the time at which the run counts.';
--! EndIncluded app/analyses/tg_analysis_run__facts_follow.sql
--! Included app/prompts/tg_prompt_relations__no_cycle.sql
/*
 * "depends_on" has no cycles. Relations of an organization are written one at a time: two transactions that each add
 * half of a cycle would not see each other.
 */
create or replace function app.tg_prompt_relations__no_cycle() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_cycle text;
begin
  perform app.organization_lock_take(NEW.organization_id, 'prompt relations');
  with recursive reached (id, path) as (
    select NEW.target_id, array[NEW.source_id, NEW.target_id]::text[]
    union all
    select r.target_id, d.path || r.target_id::text
      from reached d
      join core.prompt_relations r
        on r.organization_id = NEW.organization_id and r.source_id = d.id
       and r.relation_type = 'depends_on' and r.id <> NEW.id
     where not d.id = any (d.path[:cardinality(d.path) - 1])
  )
  select array_to_string(d.path, ' → ') into v_cycle from reached d where d.id = NEW.source_id limit 1;
  if found then
    perform app.refuse('CU004', format('This prompt would depend on itself: %s', v_cycle),
                       'targetId', 'prompt_relations_no_cycle');
  end if;
  return NEW;
end;
$$;
alter function app.tg_prompt_relations__no_cycle owner to curestry_definer;
revoke execute on function app.tg_prompt_relations__no_cycle from public;
comment on function app.tg_prompt_relations__no_cycle is
  'Trigger: no prompt depends on itself, directly or indirectly.';
--! EndIncluded app/prompts/tg_prompt_relations__no_cycle.sql
--! Included app/analyses/analysis_item_problems.sql
/*
 * What constraints cannot say, or not in words that name the field: an array as long as items, null where nothing is
 * wrong. The bounds of numbers, lengths and statuses are the constraints' own, and are reported with the constraint's
 * comment.
 */
create or replace function app.analysis_item_problems(organization uuid, items ops.analysis_item[])
returns text[]
language sql stable security definer set search_path = '' as $$
  with item as materialized (
    select * from unnest(items) with ordinality as i
  ), problem (n, problem) as (
    select i.ordinality, 'promptId or promptContent is required'
      from item i
     where i.prompt_id is null and i.prompt_content is null
    union all
    -- The gateway says so of an item with a text that no database could hold.
    select i.ordinality, substr(i.prompt_content, 2)
      from item i
     where i.prompt_content like U&'\FDD0%'
    union all
    -- Of a text that is too long for its type, PostgreSQL does not say which it is.
    select i.ordinality, format('%s must be at most %s characters', t.field, t.longest)
      from item i, lateral (
        values ('idempotencyKey', i.idempotency_key, 255), ('status', i.status, 20),
               ('result.detectedLanguage', (i.result).detected_language, 10)
        union all select 'metrics: key', m.key, 100 from unnest(i.metrics) as m
        union all select 'nodeResults: node', r.node, 50 from unnest(i.node_results) as r
        union all select 'nodeResults: status', r.status, 20 from unnest(i.node_results) as r
      ) as t (field, text, longest)
     where char_length(t.text) > t.longest
    union all
    select i.ordinality, format('promptId: there is no prompt %s in this organization', i.prompt_id)
      from item i
     where i.prompt_id is not null
       and not exists (select from core.prompts p where p.organization_id = organization and p.id = i.prompt_id)
    union all
    select i.ordinality,
           format('status must be queued, running, succeeded, failed or cancelled, and is %s', left(i.status, 50))
      from item i
     where i.status not in ('queued', 'running', 'succeeded', 'failed', 'cancelled')
    union all
    select i.ordinality, app.retention_refusal('finishedAt', s.facts_immutable_before)
      from item i
      join app.mart_state s on s.organization_id = organization
     where coalesce(i.finished_at, case when i.status in ('queued', 'running') then i.started_at end)
           < s.facts_immutable_before
    union all
    select i.ordinality, format('result: an analysis that is %s has none yet', i.status)
      from item i
     where i.status in ('queued', 'running') and i.result is distinct from null
    union all
    select i.ordinality, format('metrics: %s must be %s, as result has it', m.key, d.value)
      from item i, lateral unnest(i.metrics) as m,
           lateral app.analysis_document_metrics(
             (i.result).overall_score, (i.result).judge_score, (i.result).semantic_entropy, (i.result).complexity_score,
             (i.result).length_chars, (i.result).length_words) as d
     where d.key = m.key and d.value is not null
       and (m.value_num is distinct from d.value or m.value_text is not null or m.value_json is not null)
    union all
    select s.n,
           case
             when s.rubric is null or s.criterion is null then 'scores: rubric and criterion are required'
             when not exists (select from ops.judge_rubric r
                               where r.organization_id = organization and r.name = s.rubric)
               then format('scores: there is no rubric %L in this organization', s.rubric)
             else format('scores: the rubric %L has no criterion %L', s.rubric, s.criterion)
           end
      from app.analysis_resolve_scores(organization, items) as s
     where s.criterion_id is null
  )
  select array_agg(p.problem order by i.ordinality)
    from item i
    left join lateral (select min(p.problem) as problem from problem p where p.n = i.ordinality) p
      -- A known key is unchanged or in conflict, whatever has become of the prompt since.
      on not exists (select from ops.analysis_run r
                      where r.organization_id = organization and r.idempotency_key = i.idempotency_key);
$$;
alter function app.analysis_item_problems owner to curestry_definer;
revoke execute on function app.analysis_item_problems from public;
comment on function app.analysis_item_problems is
  'What is wrong with each item of recordAnalyses, in words that name the field; null where nothing is.';
--! EndIncluded app/analyses/analysis_item_problems.sql
--! Included app/analyses/analysis_record.sql
create or replace function app.analysis_record(organization uuid, user_id integer, items ops.analysis_item[])
returns ops.record_outcome[]
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_problems constant text[] := app.analysis_item_problems(organization, items);
  v_answer ops.record_outcome[];
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- The whole batch at once, if it looks good: no known problem, no key twice.
  if array_remove(v_problems, null) = '{}'
     and not exists (select from unnest(items) as i where i.idempotency_key is not null
                      group by i.idempotency_key having count(*) > 1) then
    begin
      return app.analysis_store(organization, analysis_record.user_id, items);
    exception
      when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
        null; -- one of them is bad: find out which
    end;
  end if;

  for n in 1 .. cardinality(items) loop
    begin
      if v_problems[n] is not null then
        v_answer[n] := row('invalid', null, v_problems[n])::ops.record_outcome;
      else
        v_answer[n] := (app.analysis_store(organization, analysis_record.user_id, items[n:n]))[1];
      end if;
    exception when integrity_constraint_violation or data_exception or sqlstate 'CU004' then
      get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
        v_table = table_name, v_constraint = constraint_name, v_column = column_name;
      v_answer[n] := row('invalid', null, app.constraint_violation_message(
        v_state, v_message, v_schema, v_table, v_constraint, v_column))::ops.record_outcome;
    end;
  end loop;
  return v_answer;
end;
$$;
alter function app.analysis_record owner to curestry_definer;
revoke execute on function app.analysis_record from public;
comment on function app.analysis_record is
  'Records analyses of an organization; one bad item does not stop the others. Behind ops.record_analyses and the '
  'import.';
--! EndIncluded app/analyses/analysis_record.sql
--! Included app/members/email_normalize.sql
/*
 * Addresses that look alike are one: no space around, compatible characters as one (NFKC). Refused is what cannot be
 * told apart by people: invisible characters, and labels that mix letters of Latin, Greek, Cyrillic, Armenian or
 * Cherokee (UTS 39, in short).
 */
create or replace function app.email_normalize(email text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_email constant text := normalize(btrim(email, E' \t\r\n'), NFKC);
begin
  if v_email !~ '^[^@\s<>()\[\]\\,;:"&''`{}|]{1,64}@[^@\s<>()\[\]\\,;:"&''`{}|/]{1,254}$' or char_length(v_email) > 254
     or not app.text_is_plain(v_email) or v_email ~ '[\u200c\u200d\ufe00-\ufe0f]' then
    perform app.refuse('CU004', 'email: must be an e-mail address, without invisible characters or markup',
                       'email', 'chk_users_email');
  end if;
  if exists (
       select from regexp_split_to_table(v_email, '[-@._+]') as label
        where (label ~ '[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]')::integer
              + (label ~ '[\u0370-\u03ff\u1f00-\u1fff]')::integer
              + (label ~ '[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]')::integer
              + (label ~ '[\u0531-\u058a]')::integer + (label ~ '[\u13a0-\u13fd\uab70-\uabbf]')::integer > 1) then
    perform app.refuse('CU004', 'email: must not mix letters of several alphabets in one word',
                       'email', 'chk_users_email');
  end if;
  return v_email;
end;
$$;
revoke execute on function app.email_normalize from public;
grant execute on function app.email_normalize to curestry_definer;
comment on function app.email_normalize is
  'An e-mail address as it is stored; refuses (CU004) what is none, or looks like another one.';
--! EndIncluded app/members/email_normalize.sql
--! Included app/members/user_ensure.sql
create or replace function app.user_ensure(user_email text) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_email constant text := app.email_normalize(user_email);
  v_user integer;
  v_organization uuid;
  v_slug text;
begin
  select u.id into v_user from core.users u where lower(u.email) = lower(v_email);
  if found then
    return v_user;
  end if;
  insert into core.users (email) values (v_email)
  on conflict do nothing
  returning id into v_user;
  if not found then -- created by another connection at the same time
    select u.id into strict v_user from core.users u where lower(u.email) = lower(v_email);
    return v_user;
  end if;
  v_slug := 'user-' || v_user;
  loop
    insert into ops.organization (name, slug, personal_user_id) values (v_email, v_slug, v_user)
    on conflict on constraint unq_organization_slug do nothing
    returning id into v_organization;
    exit when found;
    -- Somebody took it when that was not refused yet
    v_slug := 'user-' || v_user || '-' || left(md5(gen_random_uuid()::text), 8);
  end loop;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization, v_user, 'owner');
  return v_user;
end;
$$;
alter function app.user_ensure owner to curestry_definer;
revoke execute on function app.user_ensure from public;
comment on function app.user_ensure is
  'The user with this e-mail address; created, with a personal organization, if there is none.';
--! EndIncluded app/members/user_ensure.sql
--! Included app/members/user_by_email.sql
/* The old backends allowed addresses that differ only in case: an exact match is preferred, if there is one. */
create or replace function app.user_by_email(user_email text) returns integer
language plpgsql stable security definer set search_path = '' as $$
declare
  v_users integer[];
begin
  select array_agg(u.id) filter (where u.email = user_email or not e.is_exact) into v_users
    from core.users u,
         lateral (select exists (select from core.users x where x.email = user_email) as is_exact) e
   where lower(u.email) in (lower(user_email), lower(normalize(btrim(user_email), NFKC)));
  if v_users is null then
    perform app.refuse('CU003', format('There is no user with the e-mail address %L', user_email), 'user');
  elsif cardinality(v_users) > 1 then
    perform app.refuse('CU005',
      format('Several users have an e-mail address that is %L but for case: write it as it is stored', user_email),
      'user');
  end if;
  return v_users[1];
end;
$$;
alter function app.user_by_email owner to curestry_definer;
revoke execute on function app.user_by_email from public;
grant execute on function app.user_by_email to curestry_owner;
comment on function app.user_by_email is
  'The id of the user with this e-mail address; refuses an unknown one. For operators.';
--! EndIncluded app/members/user_by_email.sql
--! Included app/access/api_key_create.sql
/*
 * cur_<key id>_<secret><checksum>: the id identifies a leaked key, the secret has 256 bits, and the checksum (the
 * start of the SHA-256 of what precedes it) lets a gateway refuse a mistyped key without a query. Only the SHA-256 of
 * the whole key is stored: a fast hash is right for a random secret of this length, which cannot be guessed.
 */
create or replace function app.api_key_create(
  organization uuid, creator_user_id integer, key_name text, key_scopes text[], valid_until timestamptz,
  parent_key uuid default null)
returns table (id uuid, key text, name text, scopes jsonb, expires_at timestamptz, created_at timestamptz)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_id constant uuid := gen_random_uuid();
  v_secret constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_start constant text := 'cur_' || replace(v_id::text, '-', '') || '_' || v_secret;
  v_key constant text := v_start || left(encode(sha256(convert_to(v_start, 'UTF8')), 'hex'), 8);
  v_unknown text;
begin
  select s into v_unknown from unnest(key_scopes) as s where s <> all (app.role_permissions('owner')) limit 1;
  if found then
    perform app.refuse('CU004', format('scopes: %L is not a permission; these are: %s', v_unknown,
      array_to_string(app.role_permissions('owner'), ', ')), 'scopes', 'chk_api_key_scopes');
  end if;
  if valid_until <= now() or not isfinite(valid_until) then
    perform app.refuse('CU004', 'expiresAt: must be a time in the future', 'expiresAt');
  end if;
  perform from ops.organization o where o.id = organization for no key update;
  perform app.quota_check('api_keys_of_organization', (
    select count(*) from ops.api_key k
     where k.organization_id = organization and not k.is_revoked and (k.expires_at is null or k.expires_at > now())));
  return query
    insert into ops.api_key as k
      (id, organization_id, user_id, by_operator, parent_key_id, name, key_hash, scopes, expires_at)
    values (v_id, organization, creator_user_id, creator_user_id is null, parent_key, key_name,
            encode(sha256(convert_to(v_key, 'UTF8')), 'hex'),
            (select coalesce(jsonb_agg(distinct s order by s), '[]') from unnest(key_scopes) as s), valid_until)
    returning k.id, v_key, k.name::text, k.scopes, k.expires_at, k.created_at;
end;
$$;
alter function app.api_key_create owner to curestry_definer;
revoke execute on function app.api_key_create from public;
grant execute on function app.api_key_create to curestry_owner;
comment on function app.api_key_create is
  'Creates an API key of an organization and returns it, once: only its hash is stored. Without a creator it belongs '
  'to the operator.';
--! EndIncluded app/access/api_key_create.sql
--! Included app/analysts/analyst_create.sql
/* Runs with the rights of the administrator who calls it: creating a login requires the right to create roles. */
create or replace function app.analyst_create(analyst name, analyst_password text, organization_slugs text[])
returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_organizations uuid[];
begin
  if analyst !~ '^[a-z][a-z0-9_]{0,62}$' then
    perform app.refuse('CU004',
      'name: lower-case letters, digits and underscores, starting with a letter, at most 63', 'name');
  end if;
  if analyst ~ '^(curestry|pg)_' then
    perform app.refuse('CU004', 'name: must not start with curestry_ or pg_', 'name');
  end if;
  if coalesce(cardinality(organization_slugs), 0) = 0 then
    perform app.refuse('CU004', 'organization: at least one is required', 'organization');
  end if;
  v_organizations := array(select app.organization_by_slug(s) from unnest(organization_slugs) as s);
  if exists (select from pg_catalog.pg_roles where rolname = analyst) then
    perform app.refuse('CU005', format('There is a role named %s already', analyst), 'name');
  end if;
  execute format('create role %I login connection limit 8 password %L in role curestry_analyst',
    analyst, analyst_password);
  execute format('alter role %I set default_transaction_read_only = on', analyst);
  execute format('alter role %I set statement_timeout = %L', analyst, '60s');
  execute format('alter role %I set idle_in_transaction_session_timeout = %L', analyst, '10min');
  -- Only a member of a login may end its sessions: app.analyst_end_sessions
  execute format('grant %I to curestry_definer', analyst);
  execute format('comment on role %I is %L', analyst, 'An analyst of Curestry');
  -- Grants of an earlier login of this name, which was dropped by hand, do not apply to this one
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  perform app.analyst_grant(analyst, o) from unnest(v_organizations) as o;
end;
$$;
revoke execute on function app.analyst_create from public;
comment on function app.analyst_create is
  'Creates a read-only login for an analyst of these organizations. For operators who may create roles.';
--! EndIncluded app/analysts/analyst_create.sql
--! Included app/analysts/analyst_disconnect.sql
/*
 * A transaction with a snapshot of before, and a cursor that was kept open, still have what a login may no longer read.
 * What cannot be ended is refused, and with it the change that called this.
 */
create or replace function app.analyst_disconnect(analyst name) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_pid integer;
  v_ended integer := 0;
begin
  if not app.analyst_is_login(analyst) then
    return 0;
  end if;
  -- A loop: a planner could call the function for sessions of others before it compares their names
  for v_pid in select s.pid from pg_catalog.pg_stat_activity s where s.usename = analyst loop
    if pg_catalog.pg_terminate_backend(v_pid, 5000) then
      v_ended := v_ended + 1;
    end if;
  end loop;
  return v_ended;
exception when insufficient_privilege then
  perform app.refuse('CU007', format(
    'The sessions of %s cannot be ended: run "deno task migrate" with a login that may create roles, then try again',
    analyst), 'name');
  return null;
end;
$$;
alter function app.analyst_disconnect owner to curestry_definer;
revoke execute on function app.analyst_disconnect from public;
grant execute on function app.analyst_disconnect to curestry_owner;
comment on function app.analyst_disconnect is
  'Ends the sessions of an analyst; answers how many. Of other logins it ends none. For operators.';
--! EndIncluded app/analysts/analyst_disconnect.sql
--! Included app/analysts/analyst_end_sessions.sql
/*
 * Analysts read, and nothing that they leave open may stop others. What is ended: at once, whoever blocks somebody who
 * is no analyst; after some seconds, a transaction with an id of its own, which stops the sealing of the audit log; and
 * whatever lasts longer than the limits. Where analysts' logins are concerned, curestry_definer is a member of them,
 * because only a member (or a superuser) may end the sessions of a login.
 */
create or replace function app.analyst_end_sessions(
  statement_limit interval default interval '5 minutes', idle_limit interval default interval '1 minute')
returns table (login text, pid integer, reason text, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_session record;
  v_blocked constant integer[] := array(
    select distinct l.pid
      from pg_catalog.pg_locks l
      join pg_catalog.pg_stat_activity w on w.pid = l.pid
      join pg_catalog.pg_roles r on r.oid = w.usesysid
     where not l.granted and not app.analyst_is_login(r.rolname));
begin
  for v_session in
    select s.pid, s.usename,
           case
             when s.pid in (select b from unnest(v_blocked) as w, unnest(pg_catalog.pg_blocking_pids(w)) as b)
               then 'blocked others'
             when s.backend_xid is not null and s.xact_start < clock_timestamp() - interval '5 seconds'
               then 'kept a transaction id, which stops the sealing of the audit log'
             when s.state like 'idle in transaction%' and s.state_change < clock_timestamp() - idle_limit
               then 'left a transaction open'
             when s.xact_start < clock_timestamp() - statement_limit then 'ran too long'
           end as why,
           extract(epoch from clock_timestamp() - coalesce(s.xact_start, s.state_change, s.backend_start)) as age
      from pg_catalog.pg_stat_activity s
     where app.analyst_is_login(s.usename)
       and (s.datname = current_database()
            or s.usename in (select g.role_name from ops.analyst_grant g))
  loop
    continue when v_session.why is null;
    begin
      continue when not pg_catalog.pg_terminate_backend(v_session.pid);
    exception when insufficient_privilege then
      raise warning 'The session % of % % and cannot be ended: run "deno task migrate"',
        v_session.pid, v_session.usename, v_session.why;
      continue;
    end;
    login := v_session.usename;
    pid := v_session.pid;
    reason := v_session.why;
    seconds := v_session.age;
    return next;
  end loop;
end;
$$;
alter function app.analyst_end_sessions owner to curestry_definer;
revoke execute on function app.analyst_end_sessions from public;
grant execute on function app.analyst_end_sessions to curestry_worker, curestry_owner;
comment on function app.analyst_end_sessions is
  'Ends the sessions of analysts that block others or last too long, and answers which and why. A poll of the worker.';
--! EndIncluded app/analysts/analyst_end_sessions.sql
--! Included app/analysts/analyst_revoke.sql
/* The grants of a login that no longer exists can still be revoked; only an unknown name is refused. */
create or replace function app.analyst_revoke(analyst name, organization uuid) returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  delete from ops.analyst_grant g where g.organization_id = organization and g.role_name = analyst;
  if found then
    perform app.analyst_disconnect(analyst);
    return true;
  end if;
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  return false;
end;
$$;
alter function app.analyst_revoke owner to curestry_definer;
revoke execute on function app.analyst_revoke from public;
grant execute on function app.analyst_revoke to curestry_owner;
comment on function app.analyst_revoke is
  'Revokes an analyst''s access to an organization, and ends the sessions of the login; returns whether it had been '
  'granted. For operators.';
--! EndIncluded app/analysts/analyst_revoke.sql
--! Included app/analysts/analyst_is_login.sql
/* Since PostgreSQL 16, the administrator who made the group is a member, too, and no analyst. */
create or replace function app.analyst_is_login(login name) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from pg_catalog.pg_roles r
                   join pg_catalog.pg_auth_members m on m.member = r.oid and m.roleid = 'curestry_analyst'::regrole
                  where r.rolname = login and r.rolcanlogin and not r.rolsuper
                    and not pg_has_role(r.oid, 'curestry_owner', 'member'));
$$;
alter function app.analyst_is_login owner to curestry_definer;
revoke execute on function app.analyst_is_login from public;
comment on function app.analyst_is_login is 'Whether a role is an analyst''s login.';
--! EndIncluded app/analysts/analyst_is_login.sql
--! Included app/analysts/analyst_list.sql
create or replace function app.analyst_list() returns table (name text, organizations text[], connections bigint)
language sql stable security definer set search_path = '' as $$
  select r.rolname::text,
         coalesce(array_agg(o.slug::text order by o.slug) filter (where o.id is not null), '{}'),
         (select count(*) from pg_catalog.pg_stat_activity a where a.usename = r.rolname)
    from pg_catalog.pg_roles r
    left join ops.analyst_grant g on g.role_name = r.rolname
    left join ops.organization o on o.id = g.organization_id
   where app.analyst_is_login(r.rolname)
   group by r.rolname
   order by r.rolname;
$$;
alter function app.analyst_list owner to curestry_definer;
revoke execute on function app.analyst_list from public;
grant execute on function app.analyst_list to curestry_owner;
comment on function app.analyst_list is
  'The analysts'' logins of this server, what each may read in this database, and who is connected. For operators.';
--! EndIncluded app/analysts/analyst_list.sql
--! Included app/analysts/analyst_drop.sql
/*
 * Runs with the rights of the administrator who calls it. Ends the sessions of the login first: PostgreSQL would drop
 * it and leave them in an undefined state.
 */
create or replace function app.analyst_drop(analyst name) returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not exists (select from app.analyst_list() a where a.name = analyst) then
    perform app.refuse('CU003', format('There is no analyst named %s', analyst), 'name');
  end if;
  perform app.analyst_revoke(analyst, app.organization_by_slug(o))
     from app.analyst_list() a, unnest(a.organizations) as o
    where a.name = analyst;
  -- What the login left behind (default privileges, for one) must not prevent the drop. Acting for a role requires
  -- membership in it.
  if not pg_catalog.pg_has_role(current_user, analyst, 'usage') then
    execute format('grant %I to %I', analyst, current_user);
  end if;
  execute format('alter role %I nologin', analyst);
  perform pg_catalog.pg_terminate_backend(a.pid, 5000) from pg_catalog.pg_stat_activity a where a.usename = analyst;
  execute format('drop owned by %I', analyst);
  execute format('drop role %I', analyst);
end;
$$;
revoke execute on function app.analyst_drop from public;
comment on function app.analyst_drop is
  'Removes an analyst''s login, its sessions and what it was granted. For operators who may drop roles.';
--! EndIncluded app/analysts/analyst_drop.sql
--! Included app/prompts/prompt_import.sql
/*
 * lines: [{"line": 2, "record": {…}}, …]. The fields of a record may have the names of the API or those that prompt
 * collections use: name, act or title; content, prompt or text; tags, or a category, which becomes a tag. Other
 * fields are kept in extra_metadata. A prompt with the same name and content is not imported again.
 */
create or replace function app.prompt_import(organization uuid, lines jsonb)
returns table (line integer, outcome text, prompt_id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_line jsonb;
  v_record jsonb;
  v_name text;
  v_content text;
  v_state text; v_message text; v_schema text; v_table text; v_constraint text; v_column text;
begin
  -- Two imports of the same file at the same time must not duplicate it.
  perform app.organization_lock_take(organization, 'import prompts');
  for v_line in select * from jsonb_array_elements(lines) loop
    line := (v_line ->> 'line')::integer;
    v_record := v_line -> 'record';
    outcome := 'refused';
    prompt_id := null;
    reason := null;
    begin
      v_content := coalesce(v_record ->> 'content', v_record ->> 'prompt', v_record ->> 'text');
      v_name := coalesce(v_record ->> 'name', v_record ->> 'act', v_record ->> 'title',
                         btrim(left(split_part(btrim(v_content, E' \t\r\n'), E'\n', 1), 80)));
      if jsonb_typeof(v_record) <> 'object' then
        reason := 'is not an object';
      elsif v_content is null then
        reason := 'content (or prompt, or text) is required';
      elsif char_length(v_name) > 255 then
        reason := 'name must be at most 255 characters';
      elsif char_length(coalesce(v_record ->> 'language', '')) > 10 then
        reason := 'language must be at most 10 characters';
      elsif v_record ? 'tags' and jsonb_typeof(v_record -> 'tags') <> 'array' then
        reason := 'tags must be an array of strings';
      else
        select p.id into prompt_id from core.prompts p
         where p.organization_id = organization and p.name = v_name and p.content = v_content limit 1;
        if found then
          outcome := 'unchanged';
        else
          insert into core.prompts
            (organization_id, name, description, content, format_type, language, tags, extra_metadata)
          values (organization, v_name, v_record ->> 'description', v_content,
                  coalesce(v_record ->> 'formatType', v_record ->> 'format_type', 'auto'),
                  coalesce(v_record ->> 'language', 'auto'),
                  coalesce(v_record -> 'tags',
                           case when v_record ->> 'category' <> '' then jsonb_build_array(v_record ->> 'category') end,
                           '[]'),
                  coalesce(v_record -> 'extraMetadata', v_record -> 'extra_metadata', '{}')
                    || v_record - array['name', 'act', 'title', 'content', 'prompt', 'text', 'description',
                                        'formatType', 'format_type', 'language', 'tags', 'category',
                                        'extraMetadata', 'extra_metadata'])
          returning id into prompt_id;
          outcome := 'inserted';
        end if;
      end if;
    exception
      when integrity_constraint_violation or data_exception then
        get stacked diagnostics v_state = returned_sqlstate, v_message = message_text, v_schema = schema_name,
          v_table = table_name, v_constraint = constraint_name, v_column = column_name;
        outcome := 'refused';
        prompt_id := null;
        reason := app.constraint_violation_message(v_state, v_message, v_schema, v_table, v_constraint, v_column);
    end;
    return next;
  end loop;
end;
$$;
alter function app.prompt_import owner to curestry_definer;
revoke execute on function app.prompt_import from public;
grant execute on function app.prompt_import to curestry_owner;
comment on function app.prompt_import is
  'Imports prompts line by line and returns the outcome of each; an invalid line does not stop the others. For '
  'operators.';
--! EndIncluded app/prompts/prompt_import.sql
--! Included app/analyses/analysis_item_from_json.sql
/* The item of a line of JSON, with the field names of the API; refuses a field that it does not know. */
create or replace function app.analysis_item_from_json(record jsonb) returns ops.analysis_item
language plpgsql stable set search_path = '' as $$
declare
  v_field text;
  v_result constant jsonb := record -> 'result';
begin
  if jsonb_typeof(record) <> 'object' then
    perform app.refuse('CU004', 'is not an object');
  end if;
  select f into v_field from jsonb_object_keys(record) as f
   where f not in ('idempotencyKey', 'promptId', 'promptContent', 'status', 'startedAt', 'finishedAt', 'meta',
                   'result', 'metrics', 'nodeResults', 'scores')
   limit 1;
  if found then
    perform app.refuse('CU004', format('%s: is not a field of an analysis', v_field), v_field);
  end if;
  select f into v_field from unnest(array['metrics', 'nodeResults', 'scores']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('array', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an array', v_field), v_field);
  end if;
  select f into v_field from unnest(array['result', 'meta']) as f
   where record ? f and jsonb_typeof(record -> f) not in ('object', 'null') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: must be an object', v_field), v_field);
  end if;
  if jsonb_typeof(v_result) = 'object' then
    select f into v_field from jsonb_object_keys(v_result) as f
     where f not in ('detectedLanguage', 'translated', 'formatValid', 'overallScore', 'judgeScore', 'semanticEntropy',
                     'complexityScore', 'lengthChars', 'lengthWords', 'contradictions', 'patches', 'clarifyQuestions',
                     'extraMetadata')
     limit 1;
    if found then
      perform app.refuse('CU004', format('result.%s: is not a field of a result', v_field), v_field);
    end if;
  end if;
  return row(
    record ->> 'idempotencyKey', record ->> 'promptId', record ->> 'promptContent', record ->> 'status',
    (record ->> 'startedAt')::timestamptz, (record ->> 'finishedAt')::timestamptz, nullif(record -> 'meta', 'null'),
    case when jsonb_typeof(v_result) = 'object' then row(
      v_result ->> 'detectedLanguage', (v_result ->> 'translated')::boolean, (v_result ->> 'formatValid')::boolean,
      (v_result ->> 'overallScore')::float8, (v_result ->> 'judgeScore')::float8,
      (v_result ->> 'semanticEntropy')::float8, (v_result ->> 'complexityScore')::float8,
      (v_result ->> 'lengthChars')::integer, (v_result ->> 'lengthWords')::integer,
      v_result -> 'contradictions', v_result -> 'patches', v_result -> 'clarifyQuestions',
      v_result -> 'extraMetadata')::ops.analysis_result_item end,
    (select array_agg(row(m ->> 'key', trim_scale((m ->> 'valueNum')::numeric), m ->> 'valueText',
                          nullif(m -> 'valueJson', 'null'))::ops.analysis_metric_item order by n)
       from jsonb_array_elements(nullif(record -> 'metrics', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'node', m ->> 'status', trim_scale((m ->> 'score')::numeric),
                          nullif(m -> 'details', 'null'))::ops.analysis_node_result_item order by n)
       from jsonb_array_elements(nullif(record -> 'nodeResults', 'null')) with ordinality as e (m, n)),
    (select array_agg(row(m ->> 'rubric', m ->> 'criterion', trim_scale((m ->> 'score')::numeric), m ->> 'comment',
                          nullif(m -> 'evidence', 'null'))::ops.judge_score_item order by n)
       from jsonb_array_elements(nullif(record -> 'scores', 'null')) with ordinality as e (m, n))
  )::ops.analysis_item;
end;
$$;
revoke execute on function app.analysis_item_from_json from public;
grant execute on function app.analysis_item_from_json to curestry_definer;
comment on function app.analysis_item_from_json is 'Reads an item of recordAnalyses from JSON.';
--! EndIncluded app/analyses/analysis_item_from_json.sql
--! Included app/buckets/bucket_days.sql
/* Each moment is compared with three days only, found by their date, and each day is computed once. */
create or replace function app.bucket_days(zone text, moments timestamptz[])
returns table (day date, low timestamptz, high timestamptz)
language sql stable set search_path = '' set enable_hashjoin = on as $$
  with moment as materialized (
    select m.moment, (m.moment at time zone zone)::date as day from (select distinct unnest(moments) as moment) m
  ), start as materialized (
    select d.day, app.bucket_day_start(zone, d.day) as low
      -- The days beside it, because clocks may change at midnight, and the end of the last one
      from (select distinct m.day + k.n as day from moment m, generate_series(-1, 2) as k (n)) d
  ), day as materialized (
    select s.day, s.low, lead(s.low) over (order by s.day) as high, lead(s.day) over (order by s.day) as next
      from start s
  )
  select distinct d.day, d.low, d.high
    from (select m.moment, m.day + k.n as day from moment m, generate_series(-1, 1) as k (n)) c
    join day d on d.day = c.day
   where d.next = d.day + 1 and c.moment >= d.low and c.moment < d.high;
$$;
revoke execute on function app.bucket_days from public;
grant execute on function app.bucket_days to curestry_definer;
comment on function app.bucket_days is
  'The days of a time zone that contain these moments: date, start and end.';
--! EndIncluded app/buckets/bucket_days.sql
--! Included app/marts/mart_compute_metric_timeseries.sql
/*
 * The one definition of the mart: what a refresh writes as hours, and what a check compares hours and days with. NaN
 * and Infinity, which the old backends allowed, are left out.
 *
 * "offset 0" has the planner search each bucket by itself, and "(select …)" hides which organization it is, so that
 * it expects one of usual size. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_metric_timeseries(
  organization uuid, source text, lows timestamptz[], highs timestamptz[])
returns table (metric_key text, ts_bucket timestamptz, value_num numeric, value_json jsonb,
               sample_count bigint, numeric_count bigint, value_sum numeric, value_min numeric, value_max numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with bucket as (
    select b.low, b.high from unnest(lows, highs) as b (low, high)
  ), sample as (
    select m.key::text, b.low, m.value_num as num,
           case when m.value_num is null then left(coalesce(m.value_text, m.value_json::text), 200) end as word
      from bucket b,
           lateral (select m.* from ops.analysis_metric m
                     where m.organization_id = (select organization)
                       and m.occurred_at >= b.low and m.occurred_at < b.high
                    offset 0) m
     where source = 'metric'
    union all
    select n.node, b.low, n.score, n.status
      from bucket b,
           lateral (select n.* from ops.analysis_node_result n
                     where n.organization_id = (select organization)
                       and n.occurred_at >= b.low and n.occurred_at < b.high
                    offset 0) n
     where source = 'node'
    union all
    select app.bucket_metric_key(r.name || ' v' || r.version || '/' || c.key), b.low, s.score, null
      from bucket b
     cross join lateral (select s.* from ops.judge_score s
                          where s.organization_id = (select organization)
                            and s.occurred_at >= b.low and s.occurred_at < b.high
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = s.organization_id and c.id = s.criterion_id
      join ops.judge_rubric r on r.organization_id = c.organization_id and r.id = c.rubric_id
     where source = 'judge'
    union all
    select app.bucket_metric_key(coalesce(e.node_key || '/', '') || e.metric_name), b.low,
           app.exact_numeric(e.metric_value), null
      from bucket b,
           lateral (select e.* from core.evaluation_metrics e
                     where e.organization_id = (select organization)
                       and e.occurred_at >= b.low and e.occurred_at < b.high
                    offset 0) e
     where source = 'evaluation'
  )
  select t.key, t.low, t.sum / nullif(t.numbers, 0),
         app.bucket_value_json(s.slots, s.counts, t.min, t.max, w.words, w.counts, 0),
         t.n, t.numbers, t.sum, t.min, t.max
    from (select a.key, a.low, count(*) as n, count(a.num) as numbers,
                 sum(a.num) as sum, min(a.num) as min, max(a.num) as max,
                 array_agg(app.sketch_slot(a.num)) filter (where a.num is not null) as slots,
                 array_agg(a.word) filter (where a.word is not null) as words
            from sample a
           group by a.key, a.low) t,
         lateral (select array_agg(c.slot) as slots, array_agg(c.n) as counts
                    from (select u.slot, count(*) as n from unnest(t.slots) as u (slot) group by u.slot) c) s,
         lateral (select array_agg(c.word) as words, array_agg(c.n) as counts
                    from (select u.word, count(*) as n from unnest(t.words) as u (word) group by u.word) c) w;
$$;
alter function app.mart_compute_metric_timeseries owner to curestry_definer;
revoke execute on function app.mart_compute_metric_timeseries from public;
comment on function app.mart_compute_metric_timeseries is
  'The rows of mart.metric_timeseries of an organization and a source for buckets with these starts and ends, '
  'computed from what was recorded.';
--! EndIncluded app/marts/mart_compute_metric_timeseries.sql
--! Included app/marts/mart_compute_analysis_hourly.sql
/*
 * A run counts in the hour in which it ended, whatever its status; its document and its judgements count with it. A
 * judgement counts once every criterion of the rubric has a score: without one of them, its weighted mean would not
 * be comparable. NaN and Infinity, which the old backends allowed, are left out. Planner settings: sql/README.md.
 */
create or replace function app.mart_compute_analysis_hourly(organization uuid, lows timestamptz[], highs timestamptz[])
returns table (ts_bucket timestamptz, dimension text, value text,
               analyses bigint, scored bigint, overall_count bigint, sum_overall numeric,
               entropy_count bigint, sum_entropy numeric, judged bigint, sum_judged numeric)
language sql stable security definer set search_path = ''
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  with run as materialized (
    select b.low, r.id, r.status, d.id as document, d.detected_language as language,
           app.exact_numeric(d.overall_score) as overall,
           app.exact_numeric(d.semantic_entropy) as entropy
      from unnest(lows, highs) as b (low, high)
     cross join lateral (select r.id, r.status from ops.analysis_run r
                          where r.organization_id = (select organization)
                            and r.occurred_at >= b.low and r.occurred_at < b.high
                            and r.finished_at is not null
                         offset 0) r
      left join lateral (select d.* from core.analysis_results d
                          where d.organization_id = (select organization) and d.analysis_run_id = r.id
                         offset 0) d on true
  ), verdict as (
    select r.low, r.document, r.overall, r.entropy, b.name || ' v' || b.version as rubric,
           case when sum(c.weight) > 0 and count(*) = (select count(*) from ops.judge_criterion k
                                                        where k.organization_id = organization and k.rubric_id = b.id)
                then sum(c.weight * s.score) / sum(c.weight) end as score
      from run r
     cross join lateral (select s.criterion_id, s.score from ops.judge_score s
                          where s.organization_id = (select organization) and s.analysis_run_id = r.id
                         offset 0) s
      join ops.judge_criterion c on c.organization_id = organization and c.id = s.criterion_id
      join ops.judge_rubric b on b.organization_id = c.organization_id and b.id = c.rubric_id
     group by r.id, r.low, r.document, r.overall, r.entropy, b.id, b.name, b.version
  )
  select r.low, k.dimension, k.value, count(*), count(r.document), count(r.overall), sum(r.overall),
         count(r.entropy), sum(r.entropy), 0::bigint, null::numeric
    from run r, lateral (values ('all', ''), ('status', r.status), ('language', r.language)) as k (dimension, value)
   where k.value is not null
   group by r.low, k.dimension, k.value
  union all
  select v.low, 'rubric', v.rubric, count(*), count(v.document), count(v.overall), sum(v.overall),
         count(v.entropy), sum(v.entropy), count(v.score), sum(v.score)
    from verdict v
   group by v.low, v.rubric;
$$;
alter function app.mart_compute_analysis_hourly owner to curestry_definer;
revoke execute on function app.mart_compute_analysis_hourly from public;
comment on function app.mart_compute_analysis_hourly is
  'The rows of mart.analysis_hourly for buckets with these starts and ends, computed from runs, documents and judge '
  'scores; for whole days, to check the daily marts.';
--! EndIncluded app/marts/mart_compute_analysis_hourly.sql
--! Included app/marts/mart_refresh_all_sources.sql
create or replace function app.mart_refresh_all_sources(
  organization uuid, zone text, lows timestamptz[], highs timestamptz[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_source text;
begin
  foreach v_source in array array['metric', 'node', 'judge', 'evaluation', 'analysis', 'feature'] loop
    perform app.mart_refresh_buckets(organization, zone, v_source, lows, highs);
  end loop;
end;
$$;
alter function app.mart_refresh_all_sources owner to curestry_definer;
revoke execute on function app.mart_refresh_all_sources from public;
comment on function app.mart_refresh_all_sources is
  'Brings the hours with these starts and ends, and their days, up to date in all marts of an organization.';
--! EndIncluded app/marts/mart_refresh_all_sources.sql
--! Included app/marts/mart_refresh_day.sql
create or replace function app.mart_refresh_day(
  organization uuid, zone text, day_low timestamptz, day_high timestamptz) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.bucket_hours(zone, array(
           select generate_series(date_trunc('hour', day_low, 'UTC'),
                                  day_high - interval '1 microsecond', interval '1 hour'))) as h
   where h.low >= day_low and h.low < day_high;
  perform app.mart_refresh_all_sources(organization, zone, v_lows, v_highs);
end;
$$;
alter function app.mart_refresh_day owner to curestry_definer;
revoke execute on function app.mart_refresh_day from public;
comment on function app.mart_refresh_day is
  'Brings the day with this start and end up to date in all marts of an organization, with all its hours.';
--! EndIncluded app/marts/mart_refresh_day.sql
--! Included app/mart_upkeep/mart_rebuild_organization.sql
/*
 * At most 100 days in each call, from the oldest to the newest; app.mart_state says how far it is. A row of a mart is
 * the old one or the new one; the zone of the marts changes with the last day, and until then series are computed from
 * hours, which most zones have in common. One change of all hours stays until the end, so that nobody takes the marts
 * for right; a further one has the rebuild begin again. The caller holds the lock of the organization's marts.
 */
create or replace function app.mart_rebuild_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_state app.mart_state;
  v_zone text;
  v_from timestamptz;
  v_since timestamptz;
  v_day record;
  v_is_done boolean := false;
  v_starts timestamptz[] := '{}';
  v_lows timestamptz[] := '{}';
  v_highs timestamptz[] := '{}';
  v_hours integer := 0;
begin
  select o.time_zone into v_zone from ops.organization o where o.id = organization;
  if not found then
    delete from app.mart_change m where m.organization_id = organization;
    return 0;
  end if;
  insert into app.mart_state (organization_id, time_zone) values (organization, 'UTC') on conflict do nothing;
  select s.* into v_state from app.mart_state s where s.organization_id = organization;
  if v_state.rebuild_change_id is null
     or exists (select from app.mart_change m
                 where m.organization_id = organization and m.hour = '-infinity' and m.id <> v_state.rebuild_change_id)
  then
    v_from := v_state.marts_immutable_before;
    -- Immutable days stay as they are: the days of the new zone start with the next midnight.
    if isfinite(v_from) and v_zone <> v_state.time_zone then
      v_from := (select case d.low when v_from then d.low else d.high end
                   from app.bucket_days(v_zone, array[v_from]) as d);
    end if;
    with deleted as (
      delete from app.mart_change m
       where m.organization_id = organization and m.hour = '-infinity'
      returning m.created_at
    )
    select min(d.created_at), o.time_zone into v_since, v_zone
      from ops.organization o left join deleted d on true
     where o.id = organization
     group by o.time_zone;
    insert into app.mart_change as m (organization_id, source, hour, created_at)
    values (organization, 'zone', '-infinity', coalesce(v_since, now()))
    returning m.id into v_state.rebuild_change_id;
    update app.mart_state s
       set rebuild_change_id = v_state.rebuild_change_id, rebuild_time_zone = v_zone, rebuild_next_ts = v_from,
           marts_immutable_before = v_from
     where s.organization_id = organization;
  else
    v_zone := v_state.rebuild_time_zone;
    v_from := v_state.rebuild_next_ts;
  end if;
  for v_count in 1 .. 100 loop
    select * into v_day from app.mart_next_day(organization, v_zone, v_from, 'infinity');
    v_is_done := not found;
    exit when v_is_done;
    v_starts := v_starts || array(select generate_series(date_trunc('hour', v_day.low, 'UTC'),
                                                         v_day.high - interval '1 microsecond', interval '1 hour'));
    v_lows := v_lows || v_day.low;
    v_highs := v_highs || v_day.high;
    v_hours := v_hours + extract(epoch from v_day.high - v_day.low)::integer / 3600;
    v_from := v_day.high;
  end loop;
  -- Hours of UTC at both ends may lie in days beside
  select array_agg(h.low), array_agg(h.high) into v_lows, v_highs
    from app.bucket_hours(v_zone, v_starts) as h
   where exists (select from unnest(v_lows, v_highs) as d (low, high) where h.low >= d.low and h.low < d.high);
  perform app.mart_refresh_all_sources(organization, v_zone, v_lows, v_highs);
  if v_is_done then
    delete from app.mart_change m where m.organization_id = organization and m.id = v_state.rebuild_change_id;
    update app.mart_state s
       set time_zone = v_zone, rebuild_change_id = null, rebuild_time_zone = null, rebuild_next_ts = null
     where s.organization_id = organization;
  else
    update app.mart_state s set rebuild_next_ts = v_from where s.organization_id = organization;
  end if;
  return v_hours;
end;
$$;
alter function app.mart_rebuild_organization owner to curestry_definer;
revoke execute on function app.mart_rebuild_organization from public;
comment on function app.mart_rebuild_organization is
  'Goes on with recomputing all marts of an organization, in its time zone; returns how many hours.';
--! EndIncluded app/mart_upkeep/mart_rebuild_organization.sql
--! Included app/marts/mart_refresh_organization.sql
/*
 * One slice of what an organization's marts are behind, so that a transaction is short however long a history is: the
 * changes of at most 200 hours, the oldest first, or 100 days of a rebuild. It deletes those changes and recomputes
 * exactly their hours and days, in one transaction: after a crash, the changes are still there. The lock is taken
 * before the statement that deletes the changes, whose snapshot then sees everything that an earlier worker wrote.
 * The time zone is read in that same statement: whoever sees a new zone also sees the change that announces it.
 * While a rebuild goes on, other changes wait for its end.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_slice timestamptz[];
  v_through_id bigint;
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform app.organization_lock_take(organization, 'marts');
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour = '-infinity')
     or exists (select from app.mart_change m
                  join ops.organization o on o.id = m.organization_id
                  left join app.mart_state s on s.organization_id = o.id
                 where m.organization_id = organization
                   and (s.rebuild_change_id is not null or coalesce(s.time_zone, 'UTC') <> o.time_zone)) then
    return app.mart_rebuild_organization(organization);
  end if;
  select array_agg(h.hour), max(h.through_id) into v_slice, v_through_id
    from (select o.hour, min(o.id) as first_id, max(max(o.id)) over () as through_id
            from (select m.id, m.hour from app.mart_change m
                   where m.organization_id = organization order by m.id limit 10000) o
           group by o.hour
           order by 2
           limit 200) h;
  with deleted as (
    delete from app.mart_change m
     where m.organization_id = organization and m.id <= v_through_id
       and m.hour = any (v_slice) and m.hour <> '-infinity'
    returning m.source, m.hour
  ), change as (
    select distinct source, hour from deleted
  )
  select (select array_agg(c.source) from change c), (select array_agg(c.hour) from change c),
         coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity')
    into v_sources, v_hours, v_zone, v_immutable_before
    from (values (organization)) as i (id)
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.bucket_hours(v_zone, array(
             select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_immutable_before;
    perform app.mart_refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.mart_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_refresh_organization from public;
grant execute on function app.mart_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_refresh_organization is
  'Brings a slice of the marts of one organization up to date; returns how many hours. Call it again while '
  'app.mart_is_behind.';
--! EndIncluded app/marts/mart_refresh_organization.sql
--! Included app/marts/mart_try_refresh_organization.sql
/* A lock of its own, so that a second worker does not wait for the first while it occupies a connection. */
create or replace function app.mart_try_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
begin
  if not app.organization_lock_try(organization, 'refresh') then
    return null;
  end if;
  return app.mart_refresh_organization(organization);
end;
$$;
alter function app.mart_try_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_try_refresh_organization from public;
grant execute on function app.mart_try_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_try_refresh_organization is
  'Brings a slice of the marts of one organization up to date, unless another worker is doing so (null); returns how '
  'many hours.';
--! EndIncluded app/marts/mart_try_refresh_organization.sql
--! Included app/marts/mart_is_behind.sql
create or replace function app.mart_is_behind(organization uuid) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from app.mart_change m where m.organization_id = organization);
$$;
alter function app.mart_is_behind owner to curestry_definer;
revoke execute on function app.mart_is_behind from public;
grant execute on function app.mart_is_behind to curestry_worker, curestry_owner;
comment on function app.mart_is_behind is 'Whether the marts of an organization have changes to process.';
--! EndIncluded app/marts/mart_is_behind.sql
--! Included app/marts/mart_refresh_all.sql
create or replace function app.mart_refresh_all() returns table (organization_id uuid, hours integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hours integer;
begin
  -- Always in the same order, so that two of these calls cannot deadlock.
  for organization_id in select o from app.mart_changed_organizations() o order by 1 loop
    begin
      hours := 0;
      loop
        v_hours := app.mart_refresh_organization(organization_id);
        hours := hours + v_hours;
        exit when not app.mart_is_behind(organization_id);
      end loop;
    exception when others then
      -- Its changes stay; the others continue
      hours := null;
      raise warning 'The marts of the organization % were not brought up to date: %', organization_id, sqlerrm;
    end;
    return next;
  end loop;
end;
$$;
alter function app.mart_refresh_all owner to curestry_definer;
revoke execute on function app.mart_refresh_all from public;
grant execute on function app.mart_refresh_all to curestry_owner;
revoke execute on function app.mart_refresh_all from curestry_worker;
comment on function app.mart_refresh_all is
  'Brings the marts of all organizations up to date in one transaction; the hours are null where that failed. For '
  'psql: the worker and "curestry rollup" use one transaction for each slice of an organization.';
--! EndIncluded app/marts/mart_refresh_all.sql
--! Included app/mart_upkeep/mart_make_immutable.sql
/*
 * For retention: facts that are about to be deleted are processed first, and the marts then keep what they say of
 * them. Call it in the transaction that deletes; changes of the deleted facts, and of facts that come too late, no
 * longer have an effect.
 */
create or replace function app.mart_make_immutable(organization uuid, before timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_immutable_before timestamptz;
begin
  perform app.mart_refresh_organization(organization);
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour < before) then
    return null;
  end if;
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if v_zone is null then
    return null;
  end if;
  v_immutable_before := greatest(v_immutable_before, (select d.low from app.bucket_days(v_zone, array[before]) as d));
  insert into app.mart_state as s (organization_id, time_zone, marts_immutable_before)
  values (organization, v_zone, v_immutable_before)
  on conflict (organization_id) do update set marts_immutable_before = excluded.marts_immutable_before;
  return v_immutable_before;
end;
$$;
alter function app.mart_make_immutable owner to curestry_definer;
revoke execute on function app.mart_make_immutable from public;
grant execute on function app.mart_make_immutable to curestry_worker, curestry_owner;
comment on function app.mart_make_immutable is
  'Processes waiting changes and makes the marts of the days before this time immutable; returns the midnight before '
  'which they are: later facts must be kept. Null: not yet, call it again. For retention.';
--! EndIncluded app/mart_upkeep/mart_make_immutable.sql
--! Included app/mart_upkeep/mart_rebuild_continue.sql
/* One day of one organization per call, so that transactions are short and a crash loses little. */
create or replace function app.mart_rebuild_continue(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization_id uuid, hours integer, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_rebuild app.mart_rebuild;
  v_zone text;
  v_immutable_before timestamptz;
  v_day record;
begin
  select r.* into v_rebuild
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization)
   order by r.organization_id
   limit 1
     for update skip locked;
  if not found then
    return;
  end if;
  perform app.organization_lock_take(v_rebuild.organization_id, 'marts');
  organization_id := v_rebuild.organization_id;
  if exists (select from app.mart_state s
              where s.organization_id = v_rebuild.organization_id and s.rebuild_change_id is not null) then
    -- Its days are between two time zones: that comes first
    hours := app.mart_refresh_organization(v_rebuild.organization_id);
    seconds := extract(epoch from v_rebuild.last_ts - v_rebuild.next_ts);
    return next;
    return;
  end if;
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from (values (1)) as one (row)
    left join app.mart_state s on s.organization_id = v_rebuild.organization_id;
  select * into v_day
    from app.mart_next_day(v_rebuild.organization_id, v_zone, greatest(v_rebuild.next_ts, v_immutable_before), to_ts);
  hours := 0;
  if found and v_day.low <= v_rebuild.last_ts then
    perform app.mart_refresh_day(v_rebuild.organization_id, v_zone, v_day.low, v_day.high);
    hours := extract(epoch from v_day.high - v_day.low)::integer / 3600;
    update app.mart_rebuild r set next_ts = v_day.high
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  else
    delete from app.mart_rebuild r
     where r.organization_id = v_rebuild.organization_id
       and r.from_ts = v_rebuild.from_ts and r.to_ts = v_rebuild.to_ts;
  end if;
  select coalesce(sum(greatest(extract(epoch from r.last_ts - r.next_ts), 0)), 0) into seconds
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_continue.from_ts and r.to_ts = mart_rebuild_continue.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.mart_rebuild_continue owner to curestry_definer;
revoke execute on function app.mart_rebuild_continue from public;
grant execute on function app.mart_rebuild_continue to curestry_owner;
comment on function app.mart_rebuild_continue is
  'Rebuilds one more day of the marts of one organization; returns which, how many hours, and how much time is left. '
  'No row: the rebuild is finished. For operators.';
--! EndIncluded app/mart_upkeep/mart_rebuild_continue.sql
--! Included app/jobs/worker_is_connected.sql
/* pg_stat_activity shows names of logins and of applications to everybody, and no analyst is a worker. */
create or replace function app.worker_is_connected(worker text) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (select from pg_catalog.pg_stat_activity a
                  where a.application_name = left('curestry worker ' || worker, 63)
                    and pg_has_role(a.usesysid, 'curestry_worker', 'member'));
$$;
alter function app.worker_is_connected owner to curestry_definer;
revoke execute on function app.worker_is_connected from public;
comment on function app.worker_is_connected is 'Whether the connection of a worker that its heartbeats use is there.';
--! EndIncluded app/jobs/worker_is_connected.sql
--! Included app/jobs/worker_heartbeat_record.sql
/*
 * Beside the time, the session bears the worker's name: a worker whose program is too busy for a heartbeat in time
 * still has its connection, and does not count as dead; the connection of one that was killed ends with it. (A lock
 * could be taken by an analyst after it, and the dead worker would live on.)
 */
create or replace function app.worker_heartbeat_record(worker text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform set_config('application_name', left('curestry worker ' || worker, 63), false);
  insert into app.worker_heartbeat (worker_id) values (worker)
  on conflict on constraint pk_worker_heartbeat do update set heartbeat_at = clock_timestamp();
end;
$$;
alter function app.worker_heartbeat_record owner to curestry_definer;
revoke execute on function app.worker_heartbeat_record from public;
grant execute on function app.worker_heartbeat_record to curestry_worker;
comment on function app.worker_heartbeat_record is
  'Says that a worker is alive, by the name under which it locks jobs; called every ten seconds on a connection that '
  'it keeps.';
--! EndIncluded app/jobs/worker_heartbeat_record.sql
--! Included app/jobs/worker_list_dead.sql
/*
 * A worker is dead when its last heartbeat is too old and its connection is gone. After a restart of the server the
 * time counts from then: everybody has to connect again first.
 */
create or replace function app.worker_list_dead(suspects text[], timeout interval) returns text[]
language sql volatile security definer set search_path = '' as $$
  with gone as (
    delete from app.worker_heartbeat h
     where greatest(h.heartbeat_at, pg_postmaster_start_time()) < clock_timestamp() - timeout
       and not app.worker_is_connected(h.worker_id)
    returning h.worker_id
  ), strangers as (
    select s.worker_id
      from unnest(suspects) as s (worker_id)
     where not exists (select from app.worker_heartbeat h where h.worker_id = s.worker_id)
       and not app.worker_is_connected(s.worker_id)
  )
  select coalesce(array_agg(d.worker_id), '{}')
    from (select g.worker_id from gone g union select s.worker_id from strangers s) d;
$$;
alter function app.worker_list_dead owner to curestry_definer;
revoke execute on function app.worker_list_dead from public;
grant execute on function app.worker_list_dead to curestry_worker;
comment on function app.worker_list_dead is
  'Forgets and answers the workers that died: known ones, and those of the suspects that never had a heartbeat.';
--! EndIncluded app/jobs/worker_list_dead.sql
--! Included app/request/api_usage_record.sql
/*
 * The gateway knows credentials, not people: credentials are looked up here, even if they are no longer valid,
 * because they were when the API was used. An organization that is named counts if the person is, or was, a member.
 */
create or replace function app.api_usage_record(uses jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select o.id, coalesce(k.user_id, s.user_id), left('api.' || u.field, 100),
         clock_timestamp() - least(greatest(u.age, 0), 86400) * interval '1 second', least(u.count, 1000000)
    from jsonb_to_recordset(uses) as u
           ("jwtId" text, "keyHash" text, organization text, field text, count integer, age double precision)
    left join ops.api_key k on k.key_hash = u."keyHash"
    left join core.sessions s on s.jwt_id = u."jwtId",
         lateral (select coalesce(
                    k.organization_id,
                    case when u.organization is null
                         then (select p.id from ops.organization p where p.personal_user_id = s.user_id)
                         else (select n.id from ops.organization n
                                 join ops.organization_user m on m.organization_id = n.id and m.user_id = s.user_id
                                where n.slug = u.organization) end) as id) o
   where (k.id is not null or s.id is not null) and o.id is not null and u.count > 0;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function app.api_usage_record owner to curestry_definer;
revoke execute on function app.api_usage_record from public;
grant execute on function app.api_usage_record to curestry_gateway;
comment on function app.api_usage_record is
  'Records API usage: which fields were used ({jwtId or keyHash, organization, field, count, age in seconds}), as '
  'the features api.<field>. The gateway calls it every few seconds, outside of requests.';
--! EndIncluded app/request/api_usage_record.sql
--! Included app/audit_proof/audit_seal_problems.sql
/*
 * Sealing follows the oldest transaction that is still running. Locks on transaction ids are shown to everybody; when
 * a transaction began, only to members of its login.
 */
create or replace function app.audit_seal_problems() returns setof text
language sql stable security definer set search_path = '' as $$
  select format('the audit log is %s s behind: ', round(u.seconds))
         || coalesce(
              (select format('a transaction of %s has been open for %s s (process %s)',
                             coalesce('the login ' || a.usename, 'nobody who is connected (it is prepared)'),
                             coalesce(round(extract(epoch from clock_timestamp() - a.xact_start))::text,
                                      'at least ' || round(u.seconds)),
                             coalesce(l.pid::text, 'none'))
                 from pg_catalog.pg_locks l
                 left join pg_catalog.pg_stat_activity a on a.pid = l.pid
                where l.locktype = 'transactionid' and l.mode = 'ExclusiveLock' and l.granted
                  and l.transactionid::text::bigint
                      = pg_snapshot_xmin(pg_current_snapshot())::text::bigint & 4294967295),
              'no worker seals it')
    from (select app.audit_unsealed_seconds() as seconds) u
   where u.seconds > 10;
$$;
alter function app.audit_seal_problems owner to curestry_definer;
revoke execute on function app.audit_seal_problems from public;
comment on function app.audit_seal_problems is
  'If rows of the audit log have not been sealed for 10 seconds: for how long, and who holds it up.';
--! EndIncluded app/audit_proof/audit_seal_problems.sql
--! Included app/monitoring/health.sql
/*
 * Degraded: all works, but somebody has to act. Each part gives its own figures and, in v_problems, what is wrong.
 */
create or replace function app.health() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_report jsonb;
  v_problems text[] := '{}';
begin
  v_report := jsonb_build_object(
    'recent_analyses_24h', (
      select coalesce(sum(r.n), 0)
        from ops.organization o,
             lateral (select count(*) as n from core.analysis_results r
                       where r.organization_id = o.id and r.created_at > now() - interval '24 hours') r),
    'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    'database', jsonb_build_object('version', current_setting('server_version'), 'migrated', true),
    'workers', jsonb_build_object('alive', app.worker_count_alive()),
    'jobs', (
      select jsonb_build_object('waiting', c.waiting, 'running', c.running, 'failed', c.failed)
        from app.job_counts() c));

  with freshness as (select * from app.mart_freshness_all())
  select v_report || jsonb_build_object('marts', jsonb_build_object(
           'oldest_change_seconds', round(max(f.oldest_change_seconds)::numeric, 1),
           'waiting', max(f.waiting),
           'late', coalesce(bool_or(app.mart_is_late(f.oldest_change_seconds)), false),
           'freshness', jsonb_object_agg(f.mart, round(f.oldest_change_seconds::numeric, 1)))),
         v_problems || array(
           select format('mart %s is %s s behind what was recorded', l.mart, round(l.oldest_change_seconds))
             from freshness l where app.mart_is_late(l.oldest_change_seconds) order by 1)
    into v_report, v_problems
    from freshness f;

  with runs as (select * from app.task_list())
  select v_report || jsonb_build_object('tasks', coalesce(jsonb_agg(jsonb_build_object(
           'task', r.task, 'kind', r.kind, 'late', r.is_late, 'expected_seconds', r.expected_seconds,
           'seconds_since_success', round(extract(epoch from clock_timestamp() - r.succeeded_at), 1))
           order by r.task, r.kind), '[]')),
         v_problems || array(
           select format('task %s (%s) is late', l.task, l.kind) from runs l where l.is_late order by l.task, l.kind)
    into v_report, v_problems
    from runs r;

  v_report := v_report || jsonb_build_object('audit', jsonb_build_object(
    'unsealed_seconds', round(coalesce(app.audit_unsealed_seconds(), 0)::numeric, 1)));
  v_problems := v_problems || array(select p from app.audit_seal_problems() as p);

  with last_check as (select * from app.mart_check c order by c.id desc limit 1)
  select v_report || jsonb_build_object('mart_check', (
           select jsonb_build_object('checked_at', c.checked_at, 'buckets', c.buckets, 'differences', c.differences)
             from last_check c)),
         v_problems || array(
           select format('the nightly check found %s differences in the marts', c.differences)
             from last_check c where c.differences > 0)
    into v_report, v_problems;

  return jsonb_build_object(
    'status', case when v_problems = '{}' then 'healthy' else 'degraded' end,
    'problems', to_jsonb(v_problems)) || v_report;
end;
$$;
alter function app.health owner to curestry_definer;
revoke execute on function app.health from public;
grant execute on function app.health to curestry_gateway, curestry_owner;
comment on function app.health is
  'The health report of the specification: status, analyses of the last 24 hours, the time; and how far the marts '
  'are behind, which tasks are late, how many workers are alive, how many jobs wait and have failed.';
--! EndIncluded app/monitoring/health.sql
--! Included app/audit_proof/audit_write_seals.sql
/*
 * Seals the rows of transactions that have ended: all that are older than the oldest one still running. So no writer
 * waits, nothing is sealed that may be rolled back, and nothing that commits late is missed. Only one sealer works at
 * a time; another finds nothing to do.
 */
create or replace function app.audit_write_seals()
returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_from bigint;
  v_through bigint;
  v_next bigint;
  v_batch record;
  v_seal app.audit_seal;
begin
  perform from app.audit_sealer for update skip locked;
  if not found then
    return;
  end if;
  -- A further statement, whose snapshot has what the sealer before has written
  select s.through_xid, pg_snapshot_xmin(pg_current_snapshot())::text::bigint + s.xid_offset,
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint + s.xid_offset
    into v_from, v_through, v_next
    from app.audit_sealer s;
  if v_next < v_from then
    perform app.refuse('CU007',
      'Transaction ids have started again, as after a restore into another server: run "deno task migrate", which '
      'lets them continue');
  end if;
  if v_through <= v_from then
    return;
  end if;
  for v_batch in
    select b.organization_id,
           array_agg(b.id order by b.xid, b.seq) as ids,
           array_agg(b.state_digest order by b.xid, b.seq) as state_digests,
           array_agg(b.digest order by b.xid, b.seq) as entry_digests
      from (select a.organization_id, a.id, a.xid, a.seq, s.state_digest,
                   app.audit_entry_digest(a, s.state_digest) as digest,
                   (row_number() over (partition by a.organization_id order by a.xid, a.seq) - 1) / 1000 as part
              from ops.audit_log a, lateral (select app.audit_state_digest(a) as state_digest) s
             where a.xid >= v_from and a.xid < v_through) b
     group by b.organization_id, b.part
     order by b.organization_id, b.part
  loop
    select * into v_seal
      from app.audit_seal s where s.organization_id = v_batch.organization_id
     order by s.seq desc limit 1;
    v_seal.previous_hash := coalesce(v_seal.hash, decode(repeat('00', 32), 'hex'));
    v_seal.seq := coalesce(v_seal.seq, 0) + 1;
    v_seal.organization_id := v_batch.organization_id;
    v_seal.from_xid := v_from;
    v_seal.through_xid := v_through;
    v_seal.entry_ids := v_batch.ids;
    v_seal.state_digests := v_batch.state_digests;
    v_seal.entry_digests := v_batch.entry_digests;
    v_seal.sealed_at := now();
    v_seal.hash := app.audit_seal_hash(v_seal);
    insert into app.audit_seal select v_seal.*;
    organization_id := v_seal.organization_id;
    seq := v_seal.seq;
    hash := encode(v_seal.hash, 'hex');
    sealed_rows := cardinality(v_batch.ids);
    return next;
  end loop;
  update app.audit_sealer s set through_xid = v_through;
end;
$$;
alter function app.audit_write_seals owner to curestry_definer;
revoke execute on function app.audit_write_seals from public;
grant execute on function app.audit_write_seals to curestry_worker, curestry_owner;
comment on function app.audit_write_seals is
  'Seals new rows of the audit log into the hash chain of their organization; returns the new seals, for checkpoints '
  'outside the database. A job of the worker.';
--! EndIncluded app/audit_proof/audit_write_seals.sql
--! Included app/audit/audit_fact_sums.sql
/* Rows before a truncate no longer exist. The digest is null where the log has none yet. */
create or replace function app.audit_fact_sums(audited text)
returns table (organization_id uuid, rows bigint, digest numeric, has_digest boolean)
language sql stable set search_path = '' as $$
  select a.organization_id,
         sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint
                           when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1)
                           when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1)
                           else 0 end)::bigint,
         sum(coalesce((a.after_state ->> 'digest')::numeric, 0) - coalesce((a.before_state ->> 'digest')::numeric, 0)),
         bool_or(coalesce(a.after_state ? 'digest', false))
    from ops.audit_log a
   where a.entity_type = audited and a.action in ('baseline', 'insert', 'update', 'delete')
     and a.seq > coalesce((select max(e.seq)
                             from ops.audit_log e
                            where e.organization_id = '00000000-0000-0000-0000-000000000000'
                              and e.entity_type = audited and e.entity_id = '*' and e.action = 'truncate'), 0)
   group by a.organization_id;
$$;
revoke execute on function app.audit_fact_sums from public;
grant execute on function app.audit_fact_sums to curestry_definer;
comment on function app.audit_fact_sums is
  'How many rows of a table of facts each organization has by the audit log, and the sum of their digests.';
--! EndIncluded app/audit/audit_fact_sums.sql
--! Included app/audit/audit_baseline_facts.sql
create or replace function app.audit_baseline_facts(audited regclass) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  execute format($query$
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'migration', p.organization_id, 'baseline', e.name, '0 rows',
           jsonb_build_object('rows', 0, 'digest', (p.digest - coalesce(l.digest, 0))::text)
      from (select n.nspname || '.' || c.relname as name
              from pg_catalog.pg_class c
              join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.oid = $1) e,
           lateral (select t.organization_id, sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
                      from %s t
                     group by 1) p
      left join lateral (select * from app.audit_fact_sums(e.name)) l on l.organization_id = p.organization_id
     where p.digest is distinct from l.digest
  $query$, audited) using audited;
end;
$$;
alter function app.audit_baseline_facts owner to curestry_definer;
revoke execute on function app.audit_baseline_facts from public;
grant execute on function app.audit_baseline_facts to curestry_owner;
comment on function app.audit_baseline_facts is
  'Records the digests of all rows of a table of facts in the audit log: at the end of a migration that changes the '
  'columns of the table, or begins to audit it.';
--! EndIncluded app/audit/audit_baseline_facts.sql
--! Included app/audit/audit_baseline.sql
/*
 * Runs when the audit begins, and when it begins to cover more: records the rows that exist and that the log does not
 * have yet, or not with the digest of their secrets; and of facts, the digests that the log does not have yet.
 */
create or replace function app.audit_baseline() returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    execute format($query$
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'migration', o.id, 'baseline', $1, o.entity_id, to_jsonb(t) - $2 || %s
        from %s t,
             lateral (select (case when $4 then t.%I::text
                                   else '00000000-0000-0000-0000-000000000000' end)::uuid as id,
                             t.%I::text as entity_id) as o
       where not exists (select from ops.audit_log a
                          where a.organization_id = o.id and a.entity_type = $1 and a.entity_id = o.entity_id
                            and ($2 = '{}' or a.after_state ? 'secrets'))
         and not ($3 and exists (select from ops.audit_log a where a.organization_id = o.id and a.entity_type = $1))
    $query$, app.audit_digest_source(v_table, 't'), v_of,
             coalesce(v_table.organization_column, v_table.id_column), v_table.id_column)
      using v_table.table_name, v_table.secret_columns, v_table.summarize_inserts,
            v_table.organization_column is not null;
    if v_table.summarize_inserts then
      perform app.audit_baseline_facts(v_of);
    end if;
  end loop;
end;
$$;
alter function app.audit_baseline owner to curestry_definer;
revoke execute on function app.audit_baseline from public;
grant execute on function app.audit_baseline to curestry_owner;
comment on function app.audit_baseline is
  'Records the rows that the audit log does not have yet, as its beginning, and digests that it does not have yet. For '
  'migrations.';
--! EndIncluded app/audit/audit_baseline.sql
--! Included app/retention/retention_statement.sql
/* In this form the log and its seals have it, so it never changes. The session's time zone decides how times look. */
create or replace function app.retention_statement(retention app.audit_retention, rows bigint) returns jsonb
language sql stable
return jsonb_build_object('retention_id', retention.id, 'from', retention.from_ts, 'to', retention.to_ts, 'rows', rows,
                          'table', retention.table_name);
revoke execute on function app.retention_statement from public;
grant execute on function app.retention_statement to curestry_definer;
comment on function app.retention_statement is
  'What the log says of an act of retention and the number of rows that left. Called in the time zone UTC.';
--! EndIncluded app/retention/retention_statement.sql
--! Included app/audit_proof/audit_accepted_detachments.sql
/*
 * What app.audit_detachment claims counts only with an act of retention behind it: a row of the log that is there, or
 * that left by a later act which itself counts. So nothing proves itself, nor do two each other. Of an act that left,
 * its seal still has the digest of what it said: which retention, from when to when, and of how many rows.
 */
create or replace function app.audit_accepted_detachments(organization uuid default null)
returns setof app.audit_detachment
language sql stable set search_path = '' set timezone = 'UTC' as $$
  with recursive claim as (
    select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p))::bigint as rows
      from app.audit_detachment d, unnest(d.positions) as p
     where audit_accepted_detachments.organization is null
        or d.organization_id = audit_accepted_detachments.organization
     group by d.organization_id, d.entry_id, d.retention_id
  ), act_that_left as (
    select c.organization_id, c.entry_id, c.retention_id, e.seq, e.n::integer as n
      from claim c
      join app.audit_retention r on r.id = c.retention_id
      join (select s.organization_id, s.seq, e.id, e.state_digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests) with ordinality as e (id, state_digest, n)) e
        on e.organization_id = c.organization_id and e.id = c.entry_id
     where e.state_digest = sha256(convert_to(E'\x1f' || app.retention_statement(r, c.rows)::text, 'UTF8'))
  ), accepted as (
    select c.organization_id, c.entry_id, c.retention_id
      from claim c
      join app.audit_retention r on r.id = c.retention_id
      join ops.audit_log a on a.organization_id = c.organization_id and a.id = c.entry_id
     where a.action = 'detach' and a.entity_type = 'ops.audit_log'
       and a.after_state - 'rows' = app.retention_statement(r, 0) - 'rows'
    union
    select l.organization_id, l.entry_id, l.retention_id
      from accepted p
      join app.audit_detachment d
        on d.organization_id = p.organization_id and d.entry_id = p.entry_id and d.retention_id = p.retention_id
      join act_that_left l on l.organization_id = d.organization_id and l.seq = d.seq and d.positions @> l.n
  )
  select d.*
    from accepted p
    join app.audit_detachment d
      on d.organization_id = p.organization_id and d.entry_id = p.entry_id and d.retention_id = p.retention_id;
$$;
revoke execute on function app.audit_accepted_detachments from public;
grant execute on function app.audit_accepted_detachments to curestry_definer;
comment on function app.audit_accepted_detachments is
  'Which rows left the seals of one or all organizations by an act of retention that the log proves.';
--! EndIncluded app/audit_proof/audit_accepted_detachments.sql
--! Included app/audit_proof/audit_verify_chain.sql
/*
 * Besides changed rows and seals: a row that is missing is accounted for only if app.audit_accepted_detachments says
 * so, and, as long as the table with what left exists, is in it.
 */
create or replace function app.audit_verify_chain(organization uuid default null)
returns table (organization_id uuid, problem text, entry_id uuid, detail text)
language plpgsql stable security definer set search_path = '' set timezone = 'UTC' as $$
declare
  v_seal app.audit_seal;
  v_expected_seq integer;
  v_previous bytea;
  v_entry record;
  v_sealed_through bigint;
  v_next bigint;
  v_retention app.audit_retention;
begin
  for v_seal in
    select * from app.audit_seal s
     where audit_verify_chain.organization is null or s.organization_id = audit_verify_chain.organization
     order by s.organization_id, s.seq
  loop
    if organization_id is distinct from v_seal.organization_id then
      organization_id := v_seal.organization_id;
      v_expected_seq := 1;
      v_previous := decode(repeat('00', 32), 'hex');
    end if;
    entry_id := null;
    if v_seal.seq <> v_expected_seq then
      problem := 'seal removed';
      detail := format('seal %s follows %s', v_seal.seq, v_expected_seq - 1);
      return next;
    elsif v_seal.previous_hash <> v_previous then
      problem := 'seal changed';
      detail := format('seal %s does not go with the one before it', v_seal.seq);
      return next;
    end if;
    if v_seal.hash <> app.audit_seal_hash(v_seal) then
      problem := 'seal changed';
      detail := format('seal %s', v_seal.seq);
      return next;
    end if;
    v_expected_seq := v_seal.seq + 1;
    v_previous := v_seal.hash;
  end loop;

  /*
   * Each sealed row beside the row of the log, in one join of both: the cost grows with the rows, where a look-up for
   * each seal or row grew with their square. A row that claims to be from before the last seal has to be in one, and
   * none is of a transaction that has not been yet: it would not be sealed before that.
   */
  select s.through_xid,
         s.xid_offset + greatest(pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                                 pg_current_xact_id_if_assigned()::text::bigint + 1)
    into v_sealed_through, v_next
    from app.audit_sealer s;
  for v_entry in
    with accepted as materialized (
      select d.* from app.audit_accepted_detachments(audit_verify_chain.organization) d
    )
    select coalesce(s.organization_id, a.organization_id) as organization_id, coalesce(s.id, a.id) as id,
           case when s.id is null then 'row added' when a.id is null then 'row removed' else 'row changed'
             end as problem,
           case when s.id is null and a.xid >= v_next
                then format('it says %s, and transaction %s, which has not been yet', a.ts, a.xid)
                when s.id is null then format('it says %s, but is in no seal', a.ts)
                else format('sealed at %s, in seal %s', s.sealed_at, s.seq) end as detail
      from (select s.organization_id, s.seq, s.sealed_at, e.id, e.state_digest, e.digest, e.n
              from app.audit_seal s,
                   unnest(s.entry_ids, s.state_digests, s.entry_digests) with ordinality
                     as e (id, state_digest, digest, n)
             where audit_verify_chain.organization is null
                or s.organization_id = audit_verify_chain.organization) s
      full join (select * from ops.audit_log a
                  where (a.xid < v_sealed_through or a.xid >= v_next)
                    and (audit_verify_chain.organization is null
                         or a.organization_id = audit_verify_chain.organization)) a
        on a.organization_id = s.organization_id and a.id = s.id
     where case
             when s.id is null then true
             when a.id is null
             then not exists (select from accepted d
                               where d.organization_id = s.organization_id and d.seq = s.seq
                                 and d.positions @> s.n::integer)
             -- Whether the row may be erased, app.audit_verify_erasures checks.
             else (a.erasure_id is null and app.audit_state_digest(a::ops.audit_log) <> s.state_digest)
                  or app.audit_entry_digest(a::ops.audit_log, s.state_digest) <> s.digest
           end
     order by 1, s.seq, s.n, a.ts, 2
  loop
    organization_id := v_entry.organization_id;
    problem := v_entry.problem;
    entry_id := v_entry.id;
    detail := v_entry.detail;
    return next;
  end loop;

  -- Only as many rows are missing as the act says. That an act which left says so, its acceptance shows.
  for v_entry in
    select d.organization_id, d.entry_id as id, r.partition_name, d.rows, (a.after_state ->> 'rows')::bigint as said
      from (select d.organization_id, d.entry_id, d.retention_id, sum(upper(p) - lower(p)) as rows
              from app.audit_accepted_detachments(audit_verify_chain.organization) d, unnest(d.positions) as p
             group by d.organization_id, d.entry_id, d.retention_id) d
      join app.audit_retention r on r.id = d.retention_id
      join ops.audit_log a on a.organization_id = d.organization_id and a.id = d.entry_id
     where d.rows <> (a.after_state ->> 'rows')::bigint
  loop
    organization_id := v_entry.organization_id;
    problem := 'row removed';
    entry_id := v_entry.id;
    detail := format('%s rows of %s are missing; by retention, says the log, %s',
                     v_entry.rows, v_entry.partition_name, coalesce(v_entry.said, 0));
    return next;
  end loop;

  -- As long as what left is still here, it is what the seals say
  for v_retention in
    select * from app.audit_retention r where r.dropped_at is null order by r.detached_at, r.id
  loop
    if to_regclass(format('app.%I', v_retention.table_name)) is null then
      organization_id := null;
      problem := 'row removed';
      entry_id := null;
      detail := format('app.%s, with what left %s by retention, is gone', v_retention.table_name,
                       v_retention.partition_name);
      return next;
      continue;
    end if;
    return query execute format($query$
      select s.organization_id, 'row removed', e.id,
             format('sealed at %%s, in seal %%s; it left %%s, but is not in app.%%s', s.sealed_at, s.seq, $2, $3)
        from app.audit_accepted_detachments($1) d
        join app.audit_seal s on s.organization_id = d.organization_id and s.seq = d.seq,
             unnest(s.entry_ids) with ordinality as e (id, n)
       where d.retention_id = $4 and d.positions @> e.n::integer
         and not exists (select from app.%I l where l.organization_id = s.organization_id and l.id = e.id)
         -- Its erasure removes an organization from there as well
         and (s.organization_id = '00000000-0000-0000-0000-000000000000'
              or exists (select from ops.organization o where o.id = s.organization_id))
       order by 1, s.seq, e.n
    $query$, v_retention.table_name)
      using audit_verify_chain.organization, v_retention.partition_name, v_retention.table_name, v_retention.id;
  end loop;

  return query select * from app.audit_verify_erasures(audit_verify_chain.organization);
end;
$$;
alter function app.audit_verify_chain owner to curestry_definer;
revoke execute on function app.audit_verify_chain from public;
grant execute on function app.audit_verify_chain to curestry_owner;
comment on function app.audit_verify_chain is
  'Recomputes the hash chain of the audit log, of one or all organizations, and lists every row and seal that has '
  'changed since it was sealed.';
--! EndIncluded app/audit_proof/audit_verify_chain.sql
--! Included app/audit_proof/audit_continue_xids.sql
/*
 * Sealing follows transaction ids. In another cluster (after a logical restore) these start again, below those in the
 * log: from then on an offset is added to them, so that they continue to rise. Runs with every migration, before
 * anything is written.
 */
create or replace function app.audit_continue_xids() returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  v_next constant bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  v_known bigint;
begin
  -- Nothing is sealed meanwhile
  perform from app.audit_sealer for update;
  select greatest(s.through_xid, (select max(a.xid) + 1 from ops.audit_log a where a.xid >= s.through_xid))
    into v_known
    from app.audit_sealer s;
  if v_next + (select s.xid_offset from app.audit_sealer s) >= v_known then
    return false;
  end if;
  lock table ops.audit_log in share row exclusive mode;
  update app.audit_sealer s set xid_offset = v_known - v_next;
  execute format('alter table ops.audit_log alter column xid set default pg_current_xact_id()::text::bigint + %s',
    v_known - v_next);
  return true;
end;
$$;
revoke execute on function app.audit_continue_xids from public;
comment on function app.audit_continue_xids is
  'If transaction ids have started again, as after a restore into another server: lets those of the audit log '
  'continue after the restore. Part of every migration.';
--! EndIncluded app/audit_proof/audit_continue_xids.sql
--! Included app/retention/retention_rebaseline.sql
/*
 * Before rows leave the log, the last state of each row that still exists is restated, unless a later entry has it.
 * For facts whose inserts are summarized, their number and the sum of their digests are restated.
 */
create or replace function app.retention_rebaseline(partition_name name, organizations uuid[]) returns void
language plpgsql volatile set search_path = '' as $$
begin
  execute format($query$
    with leaving as (
      select a.*, t.summarize_inserts
        from app.%I a
        join app.audited_table t on t.table_name = a.entity_type
       where a.organization_id = any ($1) and a.action in ('baseline', 'insert', 'update', 'delete')
         -- Rows before a truncate no longer exist
         and a.seq > coalesce((select max(e.seq) from ops.audit_log e
                                where e.organization_id = '00000000-0000-0000-0000-000000000000'
                                  and e.entity_type = a.entity_type
                                  and e.entity_id = '*' and e.action = 'truncate'), 0)
    ), last as (
      select distinct on (l.organization_id, l.entity_type, l.entity_id) l.*
        from leaving l
       where not (l.summarize_inserts and coalesce(l.before_state, l.after_state) ? 'rows')
       order by l.organization_id, l.entity_type, l.entity_id, l.seq desc
    ), entity as (
      insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
      select 'retention', l.organization_id, 'baseline', l.entity_type, l.entity_id, l.after_state
        from last l
       where l.action <> 'delete'
         and not exists (select from ops.audit_log a
                          where a.organization_id = l.organization_id
                            and a.entity_type = l.entity_type and a.entity_id = l.entity_id
                            and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > l.seq)
      returning organization_id, entity_type, after_state
    ), number as (
      select l.organization_id, l.entity_type,
             sum(case l.action when 'insert' then (l.after_state ->> 'rows')::bigint
                               when 'baseline' then coalesce((l.after_state ->> 'rows')::bigint, 1)
                               when 'delete' then -coalesce((l.before_state ->> 'rows')::bigint, 1) else 0 end)
             - coalesce(min(e.rows), 0) as n,
             sum(coalesce((l.after_state ->> 'digest')::numeric, 0)
                 - coalesce((l.before_state ->> 'digest')::numeric, 0)) - coalesce(min(e.digest), 0) as digest,
             bool_or(coalesce(l.before_state, l.after_state) ? 'digest') as has_digest
        from leaving l
        left join (select e.organization_id, e.entity_type, count(*) as rows,
                          sum((e.after_state ->> 'digest')::numeric) as digest
                     from entity e
                    group by 1, 2) e on e.organization_id = l.organization_id and e.entity_type = l.entity_type
       where l.summarize_inserts
       group by l.organization_id, l.entity_type
    )
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', n.organization_id, 'baseline', n.entity_type, n.n || ' rows',
           jsonb_build_object('rows', n.n)
           || case when n.has_digest then jsonb_build_object('digest', n.digest::text) else '{}' end
      from number n where n.n <> 0 or n.digest <> 0
  $query$, partition_name) using organizations;

  -- The log has to keep the entry of an erasure as long as it has rows without their values
  execute format($query$
    insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
    select 'retention', l.organization_id, l.action, l.entity_type, l.entity_id, l.after_state
      from app.%I l
     where l.organization_id = any ($1) and l.action = 'erase'
       and not exists (select from ops.audit_log a
                        where a.organization_id = l.organization_id and a.action = 'erase' and a.seq > l.seq
                          and a.after_state ->> 'erasure' = l.after_state ->> 'erasure')
  $query$, partition_name) using organizations;
end;
$$;
revoke execute on function app.retention_rebaseline from public;
comment on function app.retention_rebaseline is
  'Restates, at the end of the audit log, the last state that a partition has of rows that still exist. Part of '
  'app.retention_apply_audit.';
--! EndIncluded app/retention/retention_rebaseline.sql
--! Included app/retention/retention_apply_audit.sql
/*
 * Retention of the audit log: entries older than an organization's audit_retention_months leave it, month by month,
 * once the whole month is sealed. If all rows of a month may leave, its partition is detached; else those that may
 * are moved out of it. Either way they are then in a table of their own in app, to be archived, which
 * app.retention_drop_detached drops later. Rows of no organization, or of a deleted one, leave with the last
 * organization's.
 *
 * Rows under a legal hold stay. The chain stays intact: seals hold the digests of the rows that left,
 * app.audit_detachment says which rows those are, and the log says that it happened. The last state of each row that
 * still exists is restated (action baseline), so that the tables can still be compared with the log.
 */
create or replace function app.retention_apply_audit(dry_run boolean default false)
returns table (organization_id uuid, partition_name text, rows bigint, detached_table text)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_partition record;
  v_organizations uuid[];
  v_through bigint;
  v_for_all integer;
  v_whole boolean;
  v_sealed boolean;
  v_retention app.audit_retention;
begin
  perform app.lock_take('audit retention');
  select s.through_xid into v_through from app.audit_sealer s;
  select case when bool_and(o.audit_retention_months is not null) then max(o.audit_retention_months) end into v_for_all
    from ops.organization o;

  for v_partition in
    select p.name, p.from_ts, p.to_ts from app.partition_list('ops.audit_log') p
  loop
    execute format($query$
      select array_agg(o.id)
        from (select o.id, o.audit_retention_months as months from ops.organization o
              union all
              select distinct a.organization_id, %2$L::integer
                from app.%1$I a
               where %2$L is not null and not exists (select from ops.organization o where o.id = a.organization_id)
                 -- A truncate invalidates older entries, also those that stay
                 and not exists (select from app.%1$I e
                                  where e.organization_id = a.organization_id and e.action = 'truncate')) o
       where %3$L::timestamptz <= now() - make_interval(months => o.months)
         and not app.legal_hold_exists(o.id)
         and exists (select from app.%1$I a where a.organization_id = o.id)
    $query$, v_partition.name, v_for_all, v_partition.to_ts) into v_organizations;
    continue when v_organizations is null;
    if not dry_run then
      execute format('lock table app.%I in share mode', v_partition.name);
    end if;
    execute format('select not exists (select from app.%I a where a.xid >= $1)', v_partition.name)
       into v_sealed using v_through;
    continue when not v_sealed;

    execute format('select not exists (select from app.%I a where a.organization_id <> all ($1))', v_partition.name)
       into v_whole using v_organizations;
    v_retention.id := gen_random_uuid();
    v_retention.partition_name := v_partition.name;
    v_retention.from_ts := v_partition.from_ts;
    v_retention.to_ts := v_partition.to_ts;
    v_retention.table_name := v_partition.name || '_detached_' || left(replace(v_retention.id::text, '-', ''), 8);
    for organization_id, partition_name, rows, detached_table in
      execute format($query$
        select a.organization_id, $1, count(*), $2
          from app.%I a where a.organization_id = any ($3)
         group by 1 order by 1
      $query$, v_partition.name) using v_retention.partition_name, v_retention.table_name, v_organizations
    loop
      return next;
    end loop;
    continue when dry_run;

    insert into app.audit_retention (id, partition_name, from_ts, to_ts, table_name)
    values (v_retention.id, v_retention.partition_name, v_retention.from_ts, v_retention.to_ts, v_retention.table_name);
    perform app.retention_rebaseline(v_partition.name, v_organizations);
    execute format($query$
      with act as (
        insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
        select 'retention', a.organization_id, 'detach', 'ops.audit_log', $2.partition_name,
               app.retention_statement($2, count(*))
          from app.%1$I a where a.organization_id = any ($1)
         group by a.organization_id
        returning organization_id, id
      )
      insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
      select s.organization_id, s.seq, $2.id, act.id, range_agg(int4range(e.n::integer, e.n::integer, '[]'))
        from act
        join app.audit_seal s on s.organization_id = act.organization_id,
             unnest(s.entry_ids) with ordinality as e (id, n)
        join app.%1$I a on a.id = e.id
       where a.organization_id = s.organization_id and a.xid >= s.from_xid and a.xid < s.through_xid
       group by s.organization_id, s.seq, act.id
    $query$, v_partition.name) using v_organizations, v_retention;

    if v_whole then
      execute format('alter table ops.audit_log detach partition app.%I', v_partition.name);
      execute format('drop trigger _200_append_only on app.%I', v_partition.name);
      execute format('alter table app.%I rename to %I', v_partition.name, v_retention.table_name);
    else
      execute format('create table app.%I (like app.%I including defaults)', v_retention.table_name, v_partition.name);
      perform app.table_protect(format('app.%I', v_retention.table_name)::regclass);
      execute format('alter table app.%I disable trigger _200_append_only', v_partition.name);
      execute format($query$
        with moved as (delete from app.%I a where a.organization_id = any ($1) returning *)
        insert into app.%I select * from moved
      $query$, v_partition.name, v_retention.table_name) using v_organizations;
      execute format('alter table app.%I enable trigger _200_append_only', v_partition.name);
    end if;
    -- Erasures apply to it, too
    execute format('grant select, delete, update (before_state, after_state) on app.%I to curestry_definer',
      v_retention.table_name);
    execute format('comment on table app.%I is %L', v_retention.table_name,
      format('Rows of ops.audit_log from %s to %s, which left it by retention; to be archived and dropped.',
             v_partition.from_ts, v_partition.to_ts));
  end loop;
end;
$$;
revoke execute on function app.retention_apply_audit from public;
grant execute on function app.retention_apply_audit to curestry_worker;
comment on function app.retention_apply_audit is
  'Removes from the audit log what is older than its organization''s audit_retention_months; returns what left, or '
  'with dry_run what would. A job of the worker.';
--! EndIncluded app/retention/retention_apply_audit.sql
--! Included app/retention/retention_apply_facts.sql
/*
 * Retention of facts: runs with everything that belongs to them, and feature events, are removed when they are older
 * than an organization's raw_retention_days and the marts have processed them for good. Each call goes as far as it
 * can without waiting; call it again until all is done. An organization goes through
 *
 *   1. facts immutable: from the next transaction on, the triggers that record changes refuse facts of that age;
 *   2. waiting: once that is committed, it waits for the transactions that may not have seen it;
 *   3. marts immutable: app.mart_make_immutable processes the remaining changes, and the marts of those days stay as
 *      they are;
 *   4. removal: partitions of feature events that can be removed completely are dropped, other rows deleted in batches.
 *
 * Facts under a legal hold stay, and so do runs that have not ended.
 */
create or replace function app.retention_apply_facts(dry_run boolean default false, batch integer default 2000)
returns table (organization_id uuid, before timestamptz, runs bigint, feature_events bigint, is_done boolean)
language plpgsql volatile security definer set search_path = '' set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_organization record;
  v_partition record;
  v_may boolean;
  v_immutable_before timestamptz;
  v_dropped jsonb := '{}';
begin
  perform app.lock_take('facts retention'),
          set_config('curestry.retention', 'on', true);

  if not dry_run then
    for v_partition in
      select p.name, p.to_ts from app.partition_list('ops.feature_event') p
    loop
      for v_check in 1 .. 2 loop
        -- Checked again once the lock keeps others from writing to it
        execute format($query$
          select coalesce(bool_and(o.id is not null and not app.legal_hold_exists(o.id)
                                   and coalesce(s.marts_immutable_before, '-infinity') >= %2$L),
                          %2$L < now() - interval '1 month')
            from (select distinct e.organization_id from app.%1$I e) e
            left join ops.organization o on o.id = e.organization_id and o.raw_retention_days is not null
            left join app.mart_state s on s.organization_id = e.organization_id
        $query$, v_partition.name, v_partition.to_ts) into v_may;
        exit when not v_may;
        execute format('lock table app.%I in access exclusive mode', v_partition.name);
      end loop;
      continue when not v_may;
      -- No trigger fires when a partition is dropped
      execute format($query$
        with removed as (
          select e.organization_id, count(*) as n,
                 sum(hashtextextended(hash_record_extended(e, 0)::text, 0))::text as digest
            from app.%1$I e
           group by 1),
        logged as (
          insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, before_state)
          select 'retention', g.organization_id, 'delete', 'ops.feature_event', g.n || ' rows',
                 jsonb_build_object('rows', g.n, 'digest', g.digest)
            from removed g
        )
        select $1 || coalesce(jsonb_object_agg(g.organization_id,
                                               g.n + coalesce(($1 ->> g.organization_id::text)::bigint, 0)), '{}')
          from removed g
      $query$, v_partition.name) into v_dropped using v_dropped;
      execute format('alter table ops.feature_event detach partition app.%I', v_partition.name);
      execute format('drop table app.%I', v_partition.name);
    end loop;
  end if;

  for v_organization in
    select o.id, d.low as before, s.facts_immutable_before, s.facts_immutable_xid, s.marts_immutable_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.bucket_days(coalesce(s.time_zone, 'UTC'),
                                   array[now() - make_interval(days => o.raw_retention_days)]) d
     where o.raw_retention_days is not null and not app.legal_hold_exists(o.id)
     order by o.id
  loop
    organization_id := v_organization.id;
    before := v_organization.before;
    runs := 0;
    feature_events := coalesce((v_dropped ->> v_organization.id::text)::bigint, 0);
    is_done := false;
    if dry_run then
      select count(*) into runs from ops.analysis_run r
       where r.organization_id = v_organization.id and r.occurred_at < v_organization.before
         and r.finished_at is not null;
      select count(*) into feature_events from ops.feature_event e
       where e.organization_id = v_organization.id and e.occurred_at < v_organization.before;
    elsif v_organization.facts_immutable_before is null
          or v_organization.facts_immutable_before < v_organization.before then
      insert into app.mart_state as s (organization_id, time_zone, facts_immutable_before)
      values (v_organization.id, 'UTC', v_organization.before)
      on conflict on constraint pk_mart_state do update
        set facts_immutable_before = excluded.facts_immutable_before, facts_immutable_xid = null;
    elsif v_organization.facts_immutable_xid is null then
      update app.mart_state s set facts_immutable_xid = pg_snapshot_xmax(pg_current_snapshot())::text::bigint
       where s.organization_id = v_organization.id;
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before
          and pg_snapshot_xmin(pg_current_snapshot())::text::bigint < v_organization.facts_immutable_xid then
      null; -- a transaction that may not have seen it is still running
    elsif v_organization.marts_immutable_before < v_organization.facts_immutable_before then
      perform app.mart_make_immutable(v_organization.id, v_organization.facts_immutable_before);
    else
      v_immutable_before := v_organization.marts_immutable_before;
      with expired as (
        select r.id from ops.analysis_run r
         where r.organization_id = v_organization.id and r.occurred_at < v_immutable_before
           and r.finished_at is not null
         order by r.occurred_at limit batch
      )
      delete from ops.analysis_run r using expired d where r.organization_id = v_organization.id and r.id = d.id;
      get diagnostics runs = row_count;
      is_done := runs < batch;
      with expired as (
        select e.occurred_at, e.id from ops.feature_event e
         where e.organization_id = v_organization.id and e.occurred_at < v_immutable_before
         order by e.occurred_at limit batch
      ), removed as (
        delete from ops.feature_event e using expired d
         where e.organization_id = v_organization.id and e.occurred_at = d.occurred_at and e.id = d.id
        returning 1
      )
      select feature_events + count(*), is_done and count(*) < batch into feature_events, is_done from removed;
    end if;
    return next;
  end loop;
end;
$$;
revoke execute on function app.retention_apply_facts from public;
grant execute on function app.retention_apply_facts to curestry_worker;
comment on function app.retention_apply_facts is
  'Removes facts that are older than their organization''s raw_retention_days and processed by the marts, some of '
  'them in each call; returns what was removed, or with dry_run what would be. A job of the worker.';
--! EndIncluded app/retention/retention_apply_facts.sql
--! Included app/audit_proof/audit_differing_facts.sql
/*
 * A fact has the time of the transaction that recorded it, and so has the row of the log. Rows that were changed or
 * removed since, within the log, make a time differ as well: this is for finding, and proves nothing.
 */
create or replace function app.audit_differing_facts(audited text, organization uuid) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_found text;
begin
  perform from pg_catalog.pg_attribute a
    where a.attrelid = audited::regclass and a.attname = 'created_at' and not a.attisdropped;
  if not found then
    return null;
  end if;
  execute format($query$
    select string_agg(d.at::text, ', ' order by d.at)
      from (select l.ts as at
              from (select a.ts, sum((a.after_state ->> 'digest')::numeric) as digest
                      from ops.audit_log a
                     where a.organization_id = $2 and a.entity_type = $1 and a.action = 'insert'
                       and a.after_state ? 'digest'
                     group by a.ts) l
              left join (select t.created_at, sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
                           from %s t
                          where t.organization_id = $2
                          group by 1) p on p.created_at = l.ts
             where p.digest is distinct from l.digest
             order by l.ts
             limit 5) d
  $query$, audited::regclass) into v_found using audited, organization;
  return v_found;
end;
$$;
revoke execute on function app.audit_differing_facts from public;
grant execute on function app.audit_differing_facts to curestry_definer;
comment on function app.audit_differing_facts is
  'The times, at most five, at which an organization recorded facts of a table that are not what the log has of them; '
  'null if none can be told.';
--! EndIncluded app/audit_proof/audit_differing_facts.sql
--! Included app/audit_proof/audit_verify_entities.sql
/*
 * Compares the tables with the log: the current row of every audited entity equals its last after_state, its secret
 * columns by their digest, and deleted rows do not exist. This finds changes that were made while a trigger was
 * disabled. For facts whose inserts are summarized, the numbers and the sums of digests are compared, for each
 * organization; where they differ, those of each transaction say which one recorded the row, if they can.
 */
create or replace function app.audit_verify_entities()
returns table (organization_id uuid, problem text, entity_type text, entity_id text, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
  v_left_out text[];
  v_blank jsonb;
  v_truncated bigint;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    -- The digests of facts are compared by their sum
    v_left_out := v_table.secret_columns || v_table.note_columns
                  || case when v_table.summarize_inserts then array['digest'] else '{}'::text[] end;
    -- A column that was added later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- Rows before a truncate no longer exist, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name
       and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id)
               a.organization_id, a.entity_id, a.action, a.seq, $4 || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = $1 and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > $5
         -- Changing a row locks it: its changes are in the order of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when $6 then t.%I::text else '00000000-0000-0000-0000-000000000000' end)::uuid
                 as organization_id, t.%I::text as entity_id, (to_jsonb(t) || %s) - $2 as state
          from %s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             $1, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k
                 where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not ($3 and l.after_state ? 'rows')
                    -- Facts removed by age are logged as a number only
                    and not ($3 and exists (select from ops.audit_log a
                                             where a.organization_id = l.organization_id and a.entity_type = $1
                                               and a.action = 'delete' and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not $3
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - $2 and not ($3 and l.after_state ? 'rows')
             end
    $query$, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column,
             app.audit_digest_source(v_table, 't'), v_of)
      using v_table.table_name, v_left_out, v_table.summarize_inserts, v_blank, v_truncated,
            v_table.organization_column is not null;
    if v_table.summarize_inserts then
      return query execute format($query$
        with present as (
          select t.organization_id, count(*) as rows,
                 sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
            from %1$s t
           group by 1
        )
        select coalesce(p.organization_id, l.organization_id),
               case when coalesce(p.rows, 0) <> coalesce(l.rows, 0) then 'number differs from the log'
                    else 'changed past the log' end,
               %2$L, null::text,
               case when coalesce(p.rows, 0) <> coalesce(l.rows, 0)
                    then format('%%s rows, and by the log %%s', coalesce(p.rows, 0), coalesce(l.rows, 0))
                    else 'as many rows as the log says, and at least one of them is another one'
                         || coalesce(': see those recorded at ' || app.audit_differing_facts(%2$L, p.organization_id),
                                     '') end
          from present p
          full join app.audit_fact_sums(%2$L) l on l.organization_id = p.organization_id
         where coalesce(p.rows, 0) <> coalesce(l.rows, 0)
            -- An erasure takes the digests of what it removed out of the log
            or p.digest is distinct from l.digest and coalesce(p.rows, 0) > 0
      $query$, v_of, v_table.table_name);
    end if;
  end loop;
end;
$$;
alter function app.audit_verify_entities owner to curestry_definer;
revoke execute on function app.audit_verify_entities from public;
grant execute on function app.audit_verify_entities to curestry_owner;
comment on function app.audit_verify_entities is
  'Compares every audited row with its last entry in the audit log. For operators.';
--! EndIncluded app/audit_proof/audit_verify_entities.sql
--! Included app/audit/audit_change_in_words.sql
create or replace function app.audit_change_in_words(column_name text, before jsonb, after jsonb) returns text
language sql stable set search_path = '' as $$
  select column_name
         || case
              when before is null and after is null then '' -- a secret, or erased
              when jsonb_typeof(v.before) in ('object', 'array') or jsonb_typeof(v.after) in ('object', 'array')
                or greatest(char_length(v.before #>> '{}'), char_length(v.after #>> '{}')) > 60 then ''
              when v.before = 'null' then ' to ' || v.after::text
              when v.after = 'null' then ' from ' || v.before::text || ' to nothing'
              else ' from ' || v.before::text || ' to ' || v.after::text
            end
    from (select coalesce(before, 'null') as before, coalesce(after, 'null') as after) v;
$$;
revoke execute on function app.audit_change_in_words from public;
grant execute on function app.audit_change_in_words to curestry_definer;
comment on function app.audit_change_in_words is
  'The change of a column for a sentence: its name, and its values where they are short.';
--! EndIncluded app/audit/audit_change_in_words.sql
--! Included app/audit_proof/audit_unwitnessed_seals.sql
/*
 * A checkpoint is written within moments of the seal. One without any has lost it, or was made anew; and one whose
 * first checkpoint is much younger was not written down when it was made. A checkpoint without a time counts for all
 * seals up to its own.
 */
create or replace function app.audit_unwitnessed_seals(
  checkpoints jsonb, grace interval default '5 seconds', tolerance interval default '15 minutes'
) returns table (organization uuid, from_seq integer, through_seq integer, sealed_at timestamptz, first_at timestamptz)
language sql stable security definer set search_path = '' as $$
  with seal_or_checkpoint as (
    select s.organization_id, s.seq, s.sealed_at, null::timestamptz as at from app.audit_seal s
    union all
    select c.organization, c.seq, null, coalesce(c.at, '-infinity')
      from jsonb_to_recordset(checkpoints) as c (organization uuid, seq integer, at timestamptz)
  ), witnessed as (
    select x.organization_id, x.seq, x.sealed_at,
           min(x.at) over (partition by x.organization_id order by x.seq desc) as first_at
      from seal_or_checkpoint x
  )
  select w.organization_id, min(w.seq), max(w.seq), min(w.sealed_at), min(w.first_at)
    from witnessed w
   where w.sealed_at is not null
     and case when w.first_at is null then w.sealed_at < clock_timestamp() - grace
              else w.first_at > w.sealed_at + tolerance end
   group by w.organization_id, w.first_at is null
   order by 1, 2;
$$;
alter function app.audit_unwitnessed_seals owner to curestry_definer;
revoke execute on function app.audit_unwitnessed_seals from public;
grant execute on function app.audit_unwitnessed_seals to curestry_owner;
comment on function app.audit_unwitnessed_seals is
  'The seals that were not written down outside of the database when they were made, by the checkpoints given as '
  '[{organization, seq, at}]. For operators.';
--! EndIncluded app/audit_proof/audit_unwitnessed_seals.sql
--! Included app/audit_proof/audit_record_restore.sql
/* An organization that came after the moment that was restored does not exist any more; its seals are in the note. */
create or replace function app.audit_record_restore(restored jsonb) returns void
language sql volatile security definer set search_path = '' as $$
  insert into ops.audit_log (request_id, organization_id, action, entity_type, entity_id, after_state)
  select 'accept-restore', coalesce(o.id, '00000000-0000-0000-0000-000000000000'), 'restore', 'app.audit_seal',
         coalesce(r.holds ->> 'seq', '0'), to_jsonb(r)
    from jsonb_to_recordset(restored) as r (organization uuid, holds jsonb, lost jsonb)
    left join ops.organization o on o.id = r.organization;
$$;
alter function app.audit_record_restore owner to curestry_definer;
revoke execute on function app.audit_record_restore from public;
grant execute on function app.audit_record_restore to curestry_owner;
comment on function app.audit_record_restore is
  'Notes in the audit log that the database was restored to an earlier time: per organization the last seal that '
  'holds, and those that are lost, given as [{organization, holds, lost}]. For operators.';
--! EndIncluded app/audit_proof/audit_record_restore.sql
--! Included app/audit/audit_entity_entries.sql
/*
 * In the order in which the row was changed. A transaction that changes a row locks it, so the sequence of the log is
 * that order; the times and ids of transactions are not: one that began earlier may have changed the row later.
 */
create or replace function app.audit_entity_entries(organization uuid, type text, id text) returns setof ops.audit_log
language sql stable set search_path = '' as $$
  with own as (
    select * from ops.audit_log a
     where a.organization_id = organization and a.entity_type = type and a.entity_id = audit_entity_entries.id
       and a.action <> 'erase'
       -- One that restates what the log has already says nothing new
       and not (a.action = 'baseline'
                and exists (select from ops.audit_log e
                             where e.organization_id = organization and e.entity_type = type
                               and e.entity_id = audit_entity_entries.id and e.seq < a.seq and e.action <> 'erase'))
  )
  select * from own
  union all
  -- A truncate removed the rows before it
  select t.* from ops.audit_log t
   where t.organization_id = '00000000-0000-0000-0000-000000000000' and t.entity_type = type and t.entity_id = '*'
     and t.action = 'truncate'
     and (select o.action from own o where o.seq < t.seq order by o.seq desc limit 1) <> 'delete'
     and not exists (select from ops.audit_log e
                      where e.organization_id = t.organization_id and e.entity_type = type and e.entity_id = '*'
                        and e.seq < t.seq
                        and e.seq > (select max(o.seq) from own o where o.seq < t.seq))
   order by seq;
$$;
revoke execute on function app.audit_entity_entries from public;
grant execute on function app.audit_entity_entries to curestry_definer;
comment on function app.audit_entity_entries is
  'What the audit log says of one row of an organization, oldest first.';
--! EndIncluded app/audit/audit_entity_entries.sql
--! Included app/privacy/erase_organization_rows.sql
/*
 * The tables come from the catalogue, so that none is forgotten. Most rows are deleted with the organization, by
 * their foreign keys; then those without one, or written by triggers meanwhile. The log keeps who, when and what
 * kind; and, of facts whose inserts are summarized, how many, which is not personal.
 */
create or replace function app.erase_organization_rows(organization uuid, erasure uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_counts jsonb := '{}';
  v_table regclass;
  v_rows bigint;
  v_left boolean;
  v_tables constant regclass[] := array(
    select c.oid
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
     where c.relkind in ('r', 'p') and not c.relispartition
       and c.oid not in ('ops.audit_log'::regclass, 'app.audit_seal'::regclass, 'app.audit_detachment'::regclass)
     order by n.nspname || '.' || c.relname);
begin
  foreach v_table in array v_tables loop
    execute format('select count(*) from %s t where t.organization_id = $1', v_table) into v_rows using organization;
    if v_rows > 0 then
      v_counts := v_counts || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  -- The findings of the nightly check name organizations
  delete from app.mart_check c using ops.organization o
   where o.id = organization and c.details @> jsonb_build_array(jsonb_build_object('organization', o.slug));
  delete from ops.organization o where o.id = organization;
  v_counts := v_counts || jsonb_build_object('ops.organization', 1);
  foreach v_table in array v_tables loop
    execute format('select exists (select from %s t where t.organization_id = $1)', v_table)
       into v_left using organization;
    if v_left then
      execute format('delete from %s t where t.organization_id = $1', v_table) using organization;
    end if;
  end loop;
  update ops.audit_log a set before_state = null, after_state = null, erasure_id = erasure
   where a.organization_id = organization and (a.before_state is not null or a.after_state is not null)
     and a.action in ('baseline', 'insert', 'update', 'delete')
     and not (num_nonnulls(a.before_state, a.after_state) = 1 and coalesce(a.before_state, a.after_state) ? 'rows'
              and coalesce(a.before_state, a.after_state) - '{rows,digest}'::text[] = '{}');
  return v_counts;
end;
$$;
alter function app.erase_organization_rows owner to curestry_definer;
revoke execute on function app.erase_organization_rows from public;
comment on function app.erase_organization_rows is
  'Deletes an organization with all its rows, and the states in its audit log; returns how many rows each table had.';
--! EndIncluded app/privacy/erase_organization_rows.sql
--! Included app/privacy/erase_organization.sql
create or replace function app.erase_organization(organization uuid) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization ops.organization;
  v_erasure app.erasure;
  v_counts jsonb;
  v_rows bigint;
begin
  -- Waits for those who write to it; later writers find it deleted.
  select o.* into v_organization from ops.organization o where o.id = organization for update;
  if not found then
    perform app.refuse('CU003', format('There is no organization %s', organization), 'organization');
  end if;
  perform app.legal_hold_refuse(app.legal_hold_of(organization), 'The organization ' || v_organization.slug);
  if v_organization.personal_user_id is not null then
    perform app.refuse('CU005', format('%s is the personal organization of user %s: it is erased with the user',
                                       v_organization.slug, v_organization.personal_user_id),
                       'organization', 'personal_organization');
  end if;
  v_erasure := app.erasure_begin('organization', organization::text);
  v_counts := app.erase_organization_rows(organization, v_erasure.id);
  -- Why it was once held says who it was; that it was held stays.
  update app.legal_hold h set reason = null where h.held_organization_id = organization and h.reason is not null;
  get diagnostics v_rows = row_count;
  update ops.audit_log a
     set before_state = case when a.before_state ? 'reason' then a.before_state || '{"reason": null}'
                             else a.before_state end,
         after_state = case when a.after_state ? 'reason' then a.after_state || '{"reason": null}'
                            else a.after_state end,
         erasure_id = v_erasure.id
   where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = 'app.legal_hold'
     and coalesce(a.after_state, a.before_state) ->> 'held_organization_id' = organization::text
     and coalesce(a.before_state ->> 'reason', a.after_state ->> 'reason') is not null;
  if v_rows > 0 then
    v_counts := v_counts || jsonb_build_object('app.legal_hold', v_rows);
  end if;
  return app.erasure_complete(v_erasure, v_counts);
end;
$$;
alter function app.erase_organization owner to curestry_definer;
revoke execute on function app.erase_organization from public;
grant execute on function app.erase_organization to curestry_owner;
comment on function app.erase_organization is
  'Erases an organization: all its rows, and the states in its audit log, whose chain stays intact. Returns the '
  'erasure record. For operators.';
--! EndIncluded app/privacy/erase_organization.sql
--! Included app/privacy/erase_user.sql
/*
 * Everything that identifies the person is removed: from the tables, by app.personal_data, and from the states in the
 * log. What they did for shared organizations belongs to those and stays, under the id of an account that no longer
 * identifies anybody.
 */
create or replace function app.erase_user(person integer) returns app.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user core.users;
  v_personal uuid;
  v_slugs text;
  v_table app.personal_data;
  v_erasure app.erasure;
  v_counts jsonb := '{}';
  v_rows bigint;
  v_detached name;
  v_of regclass;
begin
  select u.* into v_user from core.users u where u.id = person and u.erased_at is null for update;
  if not found then
    perform app.refuse('CU003', format('There is no user %s', person), 'user');
  end if;
  -- Like everything that changes members: locks the organizations first, always in the same order.
  perform from ops.organization o
    where o.personal_user_id = person
       or o.id in (select m.organization_id from ops.organization_user m
                    where m.user_id = person and m.status <> 'removed')
    order by o.id for no key update;
  select o.id into v_personal from ops.organization o where o.personal_user_id = person;

  perform app.legal_hold_refuse(
    (select h from app.legal_hold h
      where h.held_user_id = person and h.released_at is null
      order by h.placed_at limit 1),
    coalesce(v_user.email, 'User ' || person));
  perform app.legal_hold_refuse(
            app.legal_hold_of(o.id),
            format('The organization %s, of which %s is a member,', o.slug, coalesce(v_user.email, 'user ' || person)))
     from ops.organization_user m
     join ops.organization o on o.id = m.organization_id
    where m.user_id = person and m.status <> 'removed';
  select string_agg(o.slug, ', ' order by o.slug) into v_slugs
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id and o.personal_user_id is distinct from person
   where m.user_id = person and m.role = 'owner' and m.status = 'active'
     and not exists (select from ops.organization_user x
                      where x.organization_id = m.organization_id and x.user_id <> person
                        and x.role = 'owner' and x.status = 'active');
  if v_slugs is not null then
    perform app.refuse('CU005',
      format('%s is the last owner of %s: make somebody else an owner first, or erase the organization',
             coalesce(v_user.email, 'User ' || person), v_slugs), 'user', 'organization_owner');
  end if;
  if exists (select from ops.organization_user m
              where m.organization_id = v_personal and m.user_id <> person and m.status = 'active') then
    perform app.refuse('CU005', format('The personal organization of %s has other members: remove them first',
                                       coalesce(v_user.email, 'user ' || person)), 'user', 'personal_organization');
  end if;

  v_erasure := app.erasure_begin('user', person::text);
  if v_personal is not null then
    v_counts := app.erase_organization_rows(v_personal, v_erasure.id);
  end if;
  delete from ops.invitation i using ops.organization_user m
   where m.user_id = person and i.organization_id = m.organization_id and i.organization_user_id = m.id;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.invitation', v_rows + coalesce((v_counts ->> 'ops.invitation')::bigint, 0));
  -- Before the memberships, which would revoke them without counting
  update ops.api_key k set is_revoked = true, revoked_at = now() where k.user_id = person and not k.is_revoked;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('ops.api_key', v_rows + coalesce((v_counts ->> 'ops.api_key')::bigint, 0));
  update ops.organization_user m set status = 'removed' where m.user_id = person and m.status <> 'removed';
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object(
    'ops.organization_user', v_rows + coalesce((v_counts ->> 'ops.organization_user')::bigint, 0));

  for v_table in select * from app.personal_data p order by p.table_name loop
    v_of := v_table.table_name;
    if v_table.treatment = 'delete' then
      execute format('delete from %s t where t.%I = $1', v_of, v_table.person_column) using person;
    else
      execute format('update %s t set %s where t.%I = $1', v_of,
        (select string_agg(format('%I = null', c), ', ') from unnest(v_table.personal_columns) as c),
        v_table.person_column) using person;
    end if;
    get diagnostics v_rows = row_count;
    v_counts := v_counts || jsonb_build_object(
      v_table.table_name, v_rows + coalesce((v_counts ->> v_table.table_name)::bigint, 0));
  end loop;
  delete from app.platform_admin o where o.user_id = person;
  get diagnostics v_rows = row_count;
  v_counts := v_counts || jsonb_build_object('app.platform_admin', v_rows);
  update core.users u set erased_at = now() where u.id = person;

  -- Last, so that the entries of this erasure itself are erased too
  update ops.audit_log a
     set before_state = e.before_state, after_state = e.after_state, erasure_id = v_erasure.id
    from (select l.organization_id, l.ts, l.id,
                 l.before_state || b.before as before_state, l.after_state || b.after as after_state
            from app.personal_data p
            join app.audited_table t on t.table_name = p.table_name
            join ops.audit_log l
              on l.entity_type = p.table_name and l.action <> 'erase'
             and (t.organization_column is not null or l.organization_id = '00000000-0000-0000-0000-000000000000')
             and coalesce(l.after_state, l.before_state) ->> p.person_column = person::text,
                 lateral (select coalesce(jsonb_object_agg(c, null) filter (where l.before_state ? c), '{}') as before,
                                 coalesce(jsonb_object_agg(c, null) filter (where l.after_state ? c), '{}') as after
                            from unnest(p.personal_columns) as c) b
           where exists (select from unnest(p.personal_columns) as c
                          where coalesce(l.before_state ->> c, l.after_state ->> c) is not null)) e
   where a.organization_id = e.organization_id and a.ts = e.ts and a.id = e.id;
  -- And in the tables that retention detached from the log, but that are not dropped yet
  for v_detached in
    select c.relname
      from app.audit_retention r
      join pg_catalog.pg_class c on c.oid = to_regclass(format('app.%I', r.table_name))
     where r.dropped_at is null
  loop
    execute format($query$
      update app.%I l set before_state = null, after_state = null
        from app.personal_data p
       where l.entity_type = p.table_name and coalesce(l.after_state, l.before_state) ->> p.person_column = $1
    $query$, v_detached) using person::text;
  end loop;
  return app.erasure_complete(
    v_erasure, (select jsonb_object_agg(key, value) from jsonb_each(v_counts) where value <> '0'));
end;
$$;
alter function app.erase_user owner to curestry_definer;
revoke execute on function app.erase_user from public;
grant execute on function app.erase_user to curestry_owner;
comment on function app.erase_user is
  'Erases a user: what identifies them, in all tables and in the states of the audit log, and their personal '
  'organization. Returns the erasure record. For operators.';
--! EndIncluded app/privacy/erase_user.sql
--! Included app/privacy/erasure_names_of.sql
create or replace function app.erasure_names_of(user_email text) returns text[]
language sql stable security definer set search_path = '' as $$
  select array_remove(array[u.email, u.name]::text[], null) from core.users u where lower(u.email) = lower(user_email);
$$;
alter function app.erasure_names_of owner to curestry_definer;
revoke execute on function app.erasure_names_of from public;
grant execute on function app.erasure_names_of to curestry_owner;
comment on function app.erasure_names_of is
  'What others may call a person by: address and name, to be read before they are erased. For operators.';
--! EndIncluded app/privacy/erasure_names_of.sql
--! Included app/privacy/erasure_mentions.sql
/* Reads every row of every table, which is slow; erasures are rare, and the operator wants to know what is left. */
create or replace function app.erasure_mentions(needles text[])
returns table (table_name text, column_name text, mentions bigint)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table regclass;
  -- A name of one or two letters is in everything.
  v_needles constant text[] := array(select lower(n) from unnest(needles) as n where char_length(btrim(n)) >= 3);
begin
  for v_table, table_name in
    select c.oid, n.nspname || '.' || c.relname
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'select')
     order by 2
  loop
    for column_name, mentions in
      execute format($query$
        select c.key, count(*)
          from %s t, lateral jsonb_each_text(to_jsonb(t)) as c
         where exists (select from unnest($1) as n where position(n in lower(c.value)) > 0)
         group by c.key
         order by c.key
      $query$, v_table) using v_needles
    loop
      return next;
    end loop;
  end loop;
end;
$$;
alter function app.erasure_mentions owner to curestry_definer;
revoke execute on function app.erasure_mentions from public;
grant execute on function app.erasure_mentions to curestry_owner;
comment on function app.erasure_mentions is
  'In how many rows of which columns one of these texts is: an erasure does not know what others wrote about a person. '
  'For operators.';
--! EndIncluded app/privacy/erasure_mentions.sql
--! Included app/audit/tables/installation_secret.sql
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
--! EndIncluded app/audit/tables/installation_secret.sql
--! Included app/audit/tables/audited_table.sql
/*
 * app.audited_table: generated from the database by `deno task generate`
 *
 *   table_name           text     not null
 *   organization_column  text
 *   id_column            text     not null
 *   secret_columns       text[]   not null default '{}'
 *   note_columns         text[]   not null default '{}'
 *   summarize_inserts    boolean  not null default false
 *
 *   pk_audited_table  primary key (table_name)
 */

comment on table app.audited_table is
  'Which tables are audited, and how; written by app.audit_table, read by the generator of the audit triggers.';
comment on column app.audited_table.table_name is 'The table, with its schema.';
comment on column app.audited_table.organization_column is
  'The column with the organization; null: rows of no organization, which are logged under the nil UUID.';
comment on column app.audited_table.id_column is 'The column that identifies a row.';
comment on column app.audited_table.secret_columns is 'Columns of which the log has a keyed digest only.';
comment on column app.audited_table.note_columns is 'Columns whose change alone is a note and no event.';
comment on column app.audited_table.summarize_inserts is
  'Append-only facts: one row of the log for all that a statement inserts, with a digest.';
comment on constraint pk_audited_table on app.audited_table is 'One row per table.';

alter table app.audited_table enable row level security;
alter table app.audited_table force row level security;

drop policy if exists owner_all on app.audited_table;
create policy owner_all on app.audited_table for all to curestry_owner
  using (true)
  with check (true);
comment on policy owner_all on app.audited_table is 'Migrations say which tables are audited.';

drop policy if exists definer_read on app.audited_table;
create policy definer_read on app.audited_table for select to curestry_definer
  using (true);
comment on policy definer_read on app.audited_table is 'The audit log is compared with the tables.';

grant select on app.audited_table to curestry_definer;
--! EndIncluded app/audit/tables/audited_table.sql
--! Included app/members/tables/quota.sql
/*
 * app.quota: generated from the database by `deno task generate`
 *
 *   name     text     not null
 *   maximum  integer  not null
 *
 *   pk_quota           primary key (name)
 *   chk_quota_maximum  check (maximum >= 0)
 */

comment on table app.quota is 'How many of something there may be; app.quota_set changes it.';
comment on column app.quota.name is
  'organizations_of_person (made by the same person), members_of_organization (with invitations), or '
  'api_keys_of_organization (neither revoked nor expired).';
comment on column app.quota.maximum is 'How many; what is there already stays.';
comment on constraint pk_quota on app.quota is 'One row for each quota.';
comment on constraint chk_quota_maximum on app.quota is 'maximum must not be negative';

select app.table_protect('app.quota');

grant select, update (maximum) on app.quota to curestry_definer;
--! EndIncluded app/members/tables/quota.sql
--! Included app/members/tables/organization_creation.sql
/*
 * app.organization_creation: generated from the database by `deno task generate`
 *
 *   organization_id  uuid     not null
 *   user_id          integer  not null
 *
 *   pk_organization_creation                  primary key (organization_id)
 *   fk_organization_creation_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                               cascade
 *   fk_organization_creation_user_id          foreign key (user_id) references core.users(id) on delete cascade
 *
 *   idx_organization_creation_user_id  index (user_id)
 */

select app.table_usual_comments('app.organization_creation');
comment on table app.organization_creation is
  'Who made an organization, for the quota: owners can be changed without their consent.';
comment on column app.organization_creation.organization_id is 'The organization.';
comment on column app.organization_creation.user_id is 'Who made it.';
comment on constraint pk_organization_creation on app.organization_creation is 'One row for each organization.';

select app.table_protect('app.organization_creation');

grant select, insert on app.organization_creation to curestry_definer;
--! EndIncluded app/members/tables/organization_creation.sql
--! Included app/request/tables/lock.sql
/*
 * app.lock: generated from the database by `deno task generate`
 *
 *   name  text  not null
 *
 *   pk_lock  primary key (name)
 */

comment on table app.lock is
  'What only one transaction does at a time: it locks the row. Unlike an advisory lock, nobody without a privilege on '
  'this table can take it.';
comment on column app.lock.name is 'What is done.';
comment on constraint pk_lock on app.lock is 'One row for each lock.';

select app.table_protect('app.lock');

grant select, update on app.lock to curestry_definer;
--! EndIncluded app/request/tables/lock.sql
--! Included app/request/tables/organization_lock.sql
/*
 * app.organization_lock: generated from the database by `deno task generate`
 *
 *   organization_id  uuid  not null
 *   name             text  not null
 *
 *   pk_organization_lock                  primary key (organization_id, name)
 *   fk_organization_lock_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 */

select app.table_usual_comments('app.organization_lock');
comment on table app.organization_lock is
  'What only one transaction does at a time for an organization; see app.lock. A row is made when it is first needed.';
comment on column app.organization_lock.organization_id is 'For which organization.';
comment on column app.organization_lock.name is 'What is done.';
comment on constraint pk_organization_lock on app.organization_lock is 'One row for each lock.';

select app.table_protect('app.organization_lock');

grant select, insert, update on app.organization_lock to curestry_definer;
--! EndIncluded app/request/tables/organization_lock.sql
--! Included app/marts/tables/mart_state.sql
/*
 * app.mart_state: generated from the database by `deno task generate`
 *
 *   organization_id         uuid         not null
 *   time_zone               text         not null
 *   marts_immutable_before  timestamptz  not null default '-infinity'
 *   facts_immutable_before  timestamptz
 *   facts_immutable_xid     bigint
 *   rebuild_change_id       bigint
 *   rebuild_time_zone       text
 *   rebuild_next_ts         timestamptz
 *
 *   pk_mart_state                  primary key (organization_id)
 *   fk_mart_state_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_mart_state_rebuild         check ((rebuild_change_id is null) = (rebuild_time_zone is null) and
 *                                    (rebuild_change_id is null) = (rebuild_next_ts is null))
 */

select app.table_usual_comments('app.mart_state');
comment on table app.mart_state is
  'What the marts of an organization are made by. No row: UTC, and nothing is immutable.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is
  'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.marts_immutable_before is
  'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on column app.mart_state.facts_immutable_before is
  'Facts before this time are not accepted any more: the marts process what is there of them for the last time, '
  'and then it is removed.';
comment on column app.mart_state.facts_immutable_xid is
  'When all transactions before this one have ended, nothing before facts_immutable_before can come any more; null: '
  'that is not decided yet.';
comment on column app.mart_state.rebuild_change_id is
  'While the marts are rebuilt, slice by slice: the row of app.mart_change that says so; else null.';
comment on column app.mart_state.rebuild_time_zone is 'The zone that they are rebuilt for.';
comment on column app.mart_state.rebuild_next_ts is 'Where the rebuild goes on: the days before are done.';
comment on constraint chk_mart_state_rebuild on app.mart_state is
  'a rebuild has a change, a time zone and a place where it goes on';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';

select app.table_protect('app.mart_state');

grant select, insert, update on app.mart_state to curestry_definer;
--! EndIncluded app/marts/tables/mart_state.sql
--! Included core/tables/users.sql
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
comment on constraint unq_users_email on core.users is 'There is a user with this e-mail address already.';
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
--! EndIncluded core/tables/users.sql
--! Included ops/tables/analysis_metric.sql
/*
 * ops.analysis_metric: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   analysis_run_id  uuid          not null
 *   key              varchar(100)  not null
 *   value_num        numeric
 *   value_text       text
 *   value_json       jsonb
 *   occurred_at      timestamptz   not null default now()
 *   created_at       timestamptz   not null default now()
 *
 *   pk_analysis_metric                  primary key (organization_id, id)
 *   unq_analysis_metric_key             unique (organization_id, analysis_run_id, key)
 *   fk_analysis_metric_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                         ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_metric_has_value       check (value_num is not null or value_text is not null or value_json is not
 *                                         null)
 *   chk_analysis_metric_key             check (key ~ '\S')
 *   chk_analysis_metric_value_json      check (octet_length(value_json) <= 1048576 and not
 *                                         jsonb_path_exists(value_json, '$.**{33}'))
 *   chk_analysis_metric_value_num       check (value_num > '-Infinity'::numeric and value_num < 'Infinity'::numeric)
 *   chk_analysis_metric_value_text      check (octet_length(value_text) <= 1048576)
 *
 *   idx_analysis_metric_key          index (organization_id, key, occurred_at)
 *   idx_analysis_metric_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_metric');
comment on table ops.analysis_metric is
  E'@unique id\nA measured value of an analysis run: a number, a text or JSON, under a key.';
comment on column ops.analysis_metric.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_metric.key is
  'What was measured; once per run. The numbers of the document have their own names as keys.';
comment on column ops.analysis_metric.value_num is 'The value, if it is a number.';
comment on column ops.analysis_metric.value_text is 'The value, if it is a text.';
comment on column ops.analysis_metric.value_json is 'The value, if it is JSON.';
comment on column ops.analysis_metric.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_metric_key on ops.analysis_metric is 'metrics: a run has one value per key';
comment on constraint fk_analysis_metric_analysis_run_id on ops.analysis_metric is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_metric_key on ops.analysis_metric is 'metrics: key must not be blank';
comment on constraint chk_analysis_metric_has_value on ops.analysis_metric is
  'metrics: one of value_num, value_text and value_json is required';
comment on constraint chk_analysis_metric_value_num on ops.analysis_metric is
  'metrics: value_num must be a finite number';
comment on constraint chk_analysis_metric_value_text on ops.analysis_metric is
  'metrics: value_text must be at most 1 MiB';
comment on constraint chk_analysis_metric_value_json on ops.analysis_metric is
  'metrics: value_json must be at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_metric alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_metric');
select app.table_policies_for_members('ops.analysis_metric', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_metric');

grant select on ops.analysis_metric to curestry_member;
grant select on ops.analysis_metric to curestry_analyst;
grant select,
      insert,
      update (value_num, value_text, value_json, occurred_at)
   on ops.analysis_metric to curestry_definer;

select app.mart_source_table('ops.analysis_metric', 'metric');
select app.audit_table('ops.analysis_metric', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_metric.sql
--! Included ops/tables/analysis_node_result.sql
/*
 * ops.analysis_node_result: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   node             varchar(50)  not null
 *   status           varchar(20)  not null
 *   score            numeric
 *   details          jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_analysis_node_result                  primary key (organization_id, id)
 *   unq_analysis_node_result_node            unique (organization_id, analysis_run_id, node)
 *   fk_analysis_node_result_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                              ops.analysis_run(organization_id, id) on delete cascade
 *   chk_analysis_node_result_details         check (jsonb_typeof(details) = 'object' and octet_length(details) <=
 *                                              1048576 and not jsonb_path_exists(details, '$.**{33}'))
 *   chk_analysis_node_result_node            check (node ~ '\S')
 *   chk_analysis_node_result_score           check (score >= 0::numeric and score <= 10::numeric)
 *   chk_analysis_node_result_status          check (status in ('ok', 'warn', 'fail', 'error'))
 *
 *   idx_analysis_node_result_node         index (organization_id, node, status)
 *   idx_analysis_node_result_occurred_at  index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.analysis_node_result');
comment on table ops.analysis_node_result is E'@unique id\nWhat one node of the analysis pipeline found.';
comment on column ops.analysis_node_result.analysis_run_id is 'The run that it is of.';
comment on column ops.analysis_node_result.node is
  'entropy, llm_judge, rag_oracle, regex_checks or another; once per run.';
comment on column ops.analysis_node_result.status is 'ok, warn, fail or error.';
comment on column ops.analysis_node_result.score is '0 to 10.';
comment on column ops.analysis_node_result.details is 'What was found, a JSON object.';
comment on column ops.analysis_node_result.occurred_at is 'The time that it counts for.';
comment on constraint unq_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: a run has one result per node';
comment on constraint fk_analysis_node_result_analysis_run_id on ops.analysis_node_result is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint chk_analysis_node_result_node on ops.analysis_node_result is
  'nodeResults: node must not be blank';
comment on constraint chk_analysis_node_result_status on ops.analysis_node_result is
  'nodeResults: status must be ok, warn, fail or error';
comment on constraint chk_analysis_node_result_score on ops.analysis_node_result is
  'nodeResults: score must be from 0 to 10';
comment on constraint chk_analysis_node_result_details on ops.analysis_node_result is
  'nodeResults: details must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.analysis_node_result alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_node_result');
select app.table_policies_for_members('ops.analysis_node_result', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_node_result');

grant select on ops.analysis_node_result to curestry_member;
grant select on ops.analysis_node_result to curestry_analyst;
grant select, insert, update (occurred_at) on ops.analysis_node_result to curestry_definer;

select app.mart_source_table('ops.analysis_node_result', 'node');
select app.audit_table('ops.analysis_node_result', summarize_inserts => true);
--! EndIncluded ops/tables/analysis_node_result.sql
--! Included ops/tables/analysis_run.sql
/*
 * ops.analysis_run: generated from the database by `deno task generate`
 *
 *   id                 uuid          not null default gen_random_uuid()
 *   organization_id    uuid          not null default app.organization_id()
 *   user_id            integer
 *   prompt_id          varchar
 *   prompt_content     text
 *   status             varchar(20)   not null default 'queued'
 *   started_at         timestamptz
 *   finished_at        timestamptz
 *   meta               jsonb         not null default '{}'
 *   idempotency_key    varchar(255)
 *   request_digest     bytea
 *   created_at         timestamptz   not null default now()
 *   updated_at         timestamptz   not null default now()
 *   occurred_at        timestamptz   not null generated always as (coalesce(finished_at, started_at, created_at))
 *                                      stored
 *   prompt_version_id  uuid
 *
 *   pk_analysis_run                    primary key (organization_id, id)
 *   unq_analysis_run_idempotency_key   unique (organization_id, idempotency_key)
 *   fk_analysis_run_organization_id    foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_analysis_run_prompt_id          foreign key (organization_id, prompt_id) references
 *                                        core.prompts(organization_id, id)
 *   fk_analysis_run_prompt_version_id  foreign key (organization_id, prompt_version_id) references
 *                                        core.prompt_versions(organization_id, id)
 *   fk_analysis_run_user_id            foreign key (user_id) references core.users(id)
 *   chk_analysis_run_finished_at       check ((finished_at is not null) = (status in ('succeeded', 'failed',
 *                                        'cancelled')))
 *   chk_analysis_run_idempotency_key   check (idempotency_key <> '')
 *   chk_analysis_run_meta              check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                        jsonb_path_exists(meta, '$.**{33}'))
 *   chk_analysis_run_plausible_times   check (started_at >= '2000-01-01 00:00:00+00' and started_at < '2100-01-01
 *                                        00:00:00+00' and finished_at >= '2000-01-01 00:00:00+00' and finished_at <
 *                                        '2100-01-01 00:00:00+00')
 *   chk_analysis_run_prompt_content    check (octet_length(prompt_content) <= 1048576)
 *   chk_analysis_run_started_at        check ( case status when 'queued' then started_at is null when 'cancelled' then
 *                                        true else started_at is not null end)
 *   chk_analysis_run_status            check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled'))
 *   chk_analysis_run_times             check (finished_at >= started_at)
 *
 *   idx_analysis_run_occurred_at        index (organization_id, occurred_at)
 *   idx_analysis_run_organization_id    index (organization_id, created_at, id)
 *   idx_analysis_run_prompt_id          index (organization_id, prompt_id)
 *   idx_analysis_run_prompt_version_id  index (organization_id, prompt_version_id)
 *   idx_analysis_run_status             index (organization_id, status, created_at)
 *   idx_analysis_run_user_id            index (user_id)
 */

select app.table_usual_comments('ops.analysis_run');
comment on table ops.analysis_run is
  E'@unique id\nThe life of an analysis: queued, running, and how it ended. Recorded by recordAnalyses, or step by '
  'step by startAnalysisRun and the like.';
comment on column ops.analysis_run.user_id is 'Who started it.';
comment on column ops.analysis_run.prompt_id is 'The prompt that is analysed; null if the text is not a saved prompt.';
comment on column ops.analysis_run.prompt_content is 'The text that is analysed, if no document holds it.';
comment on column ops.analysis_run.prompt_version_id is
  'The version of the prompt that is analysed; null if the text is none of its versions.';
comment on column ops.analysis_run.status is 'queued, running, succeeded, failed or cancelled.';
comment on column ops.analysis_run.started_at is 'When work on it started.';
comment on column ops.analysis_run.finished_at is 'When it ended.';
comment on column ops.analysis_run.meta is 'Anything else, a JSON object.';
comment on column ops.analysis_run.idempotency_key is 'Chosen by the client: the same key again does not record again.';
comment on column ops.analysis_run.request_digest is
  E'@behavior -*\nWhat was sent under the key, to tell a repetition from a conflict; not in the API.';
comment on column ops.analysis_run.occurred_at is
  'The time that it counts for: its end, else its start, else when it was written.';
comment on constraint unq_analysis_run_idempotency_key on ops.analysis_run is 'this idempotency_key was used before';
comment on constraint fk_analysis_run_prompt_id on ops.analysis_run is
  'prompt_id must name a prompt of the same organization.';
comment on constraint fk_analysis_run_prompt_version_id on ops.analysis_run is
  'prompt_version_id must name a version of the same organization.';
comment on constraint chk_analysis_run_status on ops.analysis_run is
  'status must be queued, running, succeeded, failed or cancelled';
comment on constraint chk_analysis_run_started_at on ops.analysis_run is
  'started_at must be given once the run has started, and not while it is queued';
comment on constraint chk_analysis_run_finished_at on ops.analysis_run is
  'finished_at must be given when the run has ended, and not before';
comment on constraint chk_analysis_run_times on ops.analysis_run is 'finished_at must not lie before started_at';
comment on constraint chk_analysis_run_prompt_content on ops.analysis_run is 'prompt_content must be at most 1 MiB';
comment on constraint chk_analysis_run_meta on ops.analysis_run is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_analysis_run_idempotency_key on ops.analysis_run is 'idempotency_key must not be empty';
comment on constraint chk_analysis_run_plausible_times on ops.analysis_run is
  'started_at and finished_at must be times from 2000 to 2099';

alter table ops.analysis_run alter column organization_id set default app.organization_id();

select app.table_protect('ops.analysis_run');
select app.table_policies_for_members('ops.analysis_run', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.analysis_run');

grant select on ops.analysis_run to curestry_member;
grant select on ops.analysis_run to curestry_analyst;
grant select,
      insert,
      update (status, started_at, finished_at, meta, updated_at)
   on ops.analysis_run to curestry_definer;

create or replace trigger _100_updated_at before update on ops.analysis_run
  for each row execute function app.tg__updated_at();
create or replace trigger _200_finite before insert or update of started_at, finished_at on ops.analysis_run
  for each row when (not (isfinite(NEW.started_at) and isfinite(coalesce(NEW.finished_at, NEW.started_at))))
  execute function app.tg__finite_time('startedAt');
create or replace trigger _200_life before update of status, started_at, finished_at on ops.analysis_run
  for each row execute function app.tg_analysis_run__life();
create or replace trigger _500_facts_follow after update of started_at, finished_at on ops.analysis_run
  for each row when (OLD.occurred_at is distinct from NEW.occurred_at)
  execute function app.tg_analysis_run__facts_follow();
select app.mart_source_table('ops.analysis_run', 'analysis');
select app.audit_table('ops.analysis_run', secret_columns => '{request_digest}');
--! EndIncluded ops/tables/analysis_run.sql
--! Included ops/tables/api_key.sql
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
comment on column ops.api_key.scopes is 'What it may do: a JSON array of permissions.';
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
--! EndIncluded ops/tables/api_key.sql
--! Included ops/tables/audit_log.sql
/*
 * ops.audit_log: generated from the database by `deno task generate`
 *
 *   id                uuid          not null default gen_random_uuid()
 *   ts                timestamptz   not null default now()
 *   actor_user_id     integer
 *   actor_api_key_id  uuid
 *   actor_role        varchar(63)   not null default session_user
 *   request_id        varchar(128)
 *   organization_id   uuid          not null
 *   action            varchar(100)  not null
 *   entity_type       varchar(100)  not null
 *   entity_id         varchar(255)  not null
 *   before_state      jsonb
 *   after_state       jsonb
 *   changed_columns   text[]
 *   xid               bigint        not null default pg_current_xact_id()::bigint
 *   seq               bigint        not null default nextval('ops.audit_log_seq')
 *   erasure_id        uuid
 *
 *   pk_audit_log  primary key (organization_id, ts, id)
 *
 *   idx_audit_log_actor_user_id  index (organization_id, actor_user_id, ts) where actor_user_id is not null
 *   idx_audit_log_entity_id      index using hash (entity_id)
 *   idx_audit_log_xid            index using brin (xid) with (pages_per_range='16')
 */

select app.table_usual_comments('ops.audit_log');
comment on table ops.audit_log is
  E'@unique id\nWho changed what, when: one row for each change of a row of core and ops, written by triggers. '
  'Append-only, partitioned by month.';
comment on column ops.audit_log.ts is 'When.';
comment on column ops.audit_log.actor_user_id is
  E'@behavior +filterBy\nWhich user, if a request to the API changed it.';
comment on column ops.audit_log.actor_api_key_id is E'@behavior +filterBy\nWith which API key.';
comment on column ops.audit_log.actor_role is 'Which login of the database.';
comment on column ops.audit_log.request_id is E'@behavior +filterBy\nThe X-Request-Id of the request, as in the log.';
comment on column ops.audit_log.organization_id is
  'The organization of the changed row; the nil UUID for rows that belong to none.';
comment on column ops.audit_log.action is
  E'@behavior +filterBy\ninsert, update, delete or truncate; baseline: the row as it was when its audit began, or '
  'when older rows left the log, or when the log began to cover more; detach: rows left by retention; erase: that '
  'states were taken out of the log; restore: the database was restored to an earlier time.';
comment on column ops.audit_log.entity_type is E'@behavior +filterBy\nThe table, such as core.prompts.';
comment on column ops.audit_log.entity_id is
  'The id of the row; for facts that are recorded many at a time, how many rows.';
comment on column ops.audit_log.before_state is 'The row as it was, without secrets.';
comment on column ops.audit_log.after_state is 'The row as it became, without secrets.';
comment on column ops.audit_log.changed_columns is 'Which columns an update changed.';
comment on column ops.audit_log.erasure_id is
  'By which erasure its states lost what they had of a person or organization; null: they are whole.';
comment on column ops.audit_log.xid is E'@behavior -*\nThe transaction that made the change; the order of sealing.';
comment on column ops.audit_log.seq is E'@behavior -*\nThe order of the rows within a transaction.';
comment on constraint pk_audit_log on ops.audit_log is
  'One row per organization, time and id; in the order of time, which random ids alone would not be.';

select app.table_protect('ops.audit_log');
select app.table_policies_for_members('ops.audit_log', to_read => 'audit:read');

grant select on ops.audit_log to curestry_member;
grant select, insert, update (before_state, after_state, erasure_id) on ops.audit_log to curestry_definer;
grant usage on sequence ops.audit_log_seq to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on ops.audit_log
  for each statement execute function app.tg_audit_log__append_only('erasable');
create or replace trigger _200_erase before update on ops.audit_log
  for each row execute function app.tg_audit_log__erase();

comment on table app.audit_log_default is 'ops.audit_log of months without a partition.';
select app.table_protect('app.audit_log_default');
--! EndIncluded ops/tables/audit_log.sql
--! Included ops/tables/feature_event.sql
/*
 * ops.feature_event: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   user_id          integer
 *   feature_key      varchar(100)  not null
 *   occurred_at      timestamptz   not null default now()
 *   event_count      integer       not null default 1
 *   created_at       timestamptz   not null default now()
 *
 *   pk_feature_event                  primary key (organization_id, occurred_at, id)
 *   fk_feature_event_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   fk_feature_event_user_id          foreign key (user_id) references core.users(id) on delete set null
 *   chk_feature_event_event_count     check (event_count >= 1 and event_count <= 1000000)
 *   chk_feature_event_feature_key     check (feature_key ~ '\S')
 *   chk_feature_event_occurred_at     check (occurred_at >= '2000-01-01 00:00:00+00' and occurred_at < '2100-01-01
 *                                       00:00:00+00')
 *
 *   idx_feature_event_user_id  index (user_id)
 */

select app.table_usual_comments('ops.feature_event');
comment on table ops.feature_event is E'@unique id\nThat a feature was used. Partitioned by month.';
comment on column ops.feature_event.user_id is 'Who used it.';
comment on column ops.feature_event.feature_key is 'Which feature.';
comment on column ops.feature_event.occurred_at is 'When.';
comment on column ops.feature_event.event_count is 'How many times.';
comment on constraint pk_feature_event on ops.feature_event is 'One row per organization, time and id.';
comment on constraint chk_feature_event_feature_key on ops.feature_event is 'feature_key must not be blank';
comment on constraint chk_feature_event_event_count on ops.feature_event is 'count must be from 1 to 1000000';
comment on constraint chk_feature_event_occurred_at on ops.feature_event is
  'occurred_at must be a time from 2000 to 2099';

alter table ops.feature_event alter column organization_id set default app.organization_id();

select app.table_protect('ops.feature_event');
select app.table_policies_for_members('ops.feature_event', to_read => 'marts:read');
select app.table_policy_for_analysts('ops.feature_event');

grant select on ops.feature_event to curestry_member;
grant select on ops.feature_event to curestry_analyst;
grant select, insert on ops.feature_event to curestry_definer;

select app.mart_source_table('ops.feature_event', 'feature');
create or replace trigger _200_finite before insert or update of occurred_at on ops.feature_event
  for each row when (not isfinite(NEW.occurred_at)) execute function app.tg__finite_time('occurredAt');
select app.audit_table('ops.feature_event', summarize_inserts => true);

comment on table app.feature_event_default is 'ops.feature_event of months without a partition.';
select app.table_protect('app.feature_event_default');
--! EndIncluded ops/tables/feature_event.sql
--! Included ops/tables/invitation.sql
/*
 * ops.invitation: generated from the database by `deno task generate`
 *
 *   id                    uuid         not null default gen_random_uuid()
 *   organization_id       uuid         not null
 *   organization_user_id  uuid         not null
 *   code_hash             varchar(64)  not null
 *   invited_by_user_id    integer
 *   expires_at            timestamptz  not null
 *   accepted_at           timestamptz
 *   created_at            timestamptz  not null default now()
 *
 *   pk_invitation                       primary key (organization_id, id)
 *   unq_invitation_code_hash            unique (organization_id, code_hash)
 *   fk_invitation_invited_by_user_id    foreign key (invited_by_user_id) references core.users(id) on delete set null
 *   fk_invitation_organization_user_id  foreign key (organization_id, organization_user_id) references
 *                                         ops.organization_user(organization_id, id) on delete cascade
 *   chk_invitation_code_hash            check (code_hash ~ '^[0-9a-f]{64}$')
 *   chk_invitation_expires_at           check (expires_at > created_at)
 *
 *   idx_invitation_invited_by_user_id    index (invited_by_user_id)
 *   idx_invitation_organization_user_id  index (organization_id, organization_user_id)
 */

select app.table_usual_comments('ops.invitation');
comment on table ops.invitation is
  E'@unique id\nAn invitation of a person to an organization. The code that accepts it was shown once; its hash is '
  'not in the API.';
comment on column ops.invitation.organization_user_id is 'The membership that it is to.';
comment on column ops.invitation.code_hash is E'@behavior -*\nSHA-256 of the code, hexadecimal; not in the API.';
comment on column ops.invitation.invited_by_user_id is 'Who invited.';
comment on column ops.invitation.expires_at is 'Until when it can be accepted.';
comment on column ops.invitation.accepted_at is 'When it was accepted.';
comment on constraint unq_invitation_code_hash on ops.invitation is E'@behavior -*\nA code is unique.';
comment on constraint fk_invitation_organization_user_id on ops.invitation is
  'organization_user_id must name a membership of the same organization.';
comment on constraint chk_invitation_code_hash on ops.invitation is 'code_hash must be a SHA-256 in hexadecimal';
comment on constraint chk_invitation_expires_at on ops.invitation is 'expires_at must lie after created_at';

select app.table_protect('ops.invitation');
select app.table_policies_for_members('ops.invitation', to_read => 'members:read');

grant select (id, organization_id, organization_user_id, invited_by_user_id, expires_at, accepted_at, created_at)
   on ops.invitation to curestry_member;
grant select, insert, update (expires_at, accepted_at), delete on ops.invitation to curestry_definer;

create or replace trigger _200_finite before insert or update of expires_at on ops.invitation
  for each row when (not isfinite(NEW.expires_at)) execute function app.tg__finite_time('expiresAt');
select app.audit_table('ops.invitation', secret_columns => '{code_hash}');
--! EndIncluded ops/tables/invitation.sql
--! Included ops/tables/judge_score.sql
/*
 * ops.judge_score: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null default app.organization_id()
 *   analysis_run_id  uuid         not null
 *   criterion_id     uuid         not null
 *   score            numeric      not null
 *   comment          text
 *   evidence         jsonb        not null default '{}'
 *   occurred_at      timestamptz  not null default now()
 *   created_at       timestamptz  not null default now()
 *
 *   pk_judge_score                  primary key (organization_id, id)
 *   unq_judge_score_criterion_id    unique (organization_id, analysis_run_id, criterion_id)
 *   fk_judge_score_analysis_run_id  foreign key (organization_id, analysis_run_id) references
 *                                     ops.analysis_run(organization_id, id) on delete cascade
 *   fk_judge_score_criterion_id     foreign key (organization_id, criterion_id) references
 *                                     ops.judge_criterion(organization_id, id)
 *   chk_judge_score_comment         check (octet_length(comment) <= 1048576)
 *   chk_judge_score_evidence        check (jsonb_typeof(evidence) = 'object' and octet_length(evidence) <= 1048576 and
 *                                     not jsonb_path_exists(evidence, '$.**{33}'))
 *   chk_judge_score_score           check (score >= 0::numeric and score <= 10::numeric)
 *
 *   idx_judge_score_criterion_id  index (organization_id, criterion_id, occurred_at)
 *   idx_judge_score_occurred_at   index (organization_id, occurred_at)
 */

select app.table_usual_comments('ops.judge_score');
comment on table ops.judge_score is E'@unique id\nWhat a judge gave an analysis run by one criterion.';
comment on column ops.judge_score.analysis_run_id is 'The run that was judged.';
comment on column ops.judge_score.criterion_id is 'By which criterion.';
comment on column ops.judge_score.score is '0 to 10.';
comment on column ops.judge_score.comment is 'Why, in the words of the judge.';
comment on column ops.judge_score.evidence is 'What the judge goes by, a JSON object.';
comment on column ops.judge_score.occurred_at is 'The time that it counts for.';
comment on constraint unq_judge_score_criterion_id on ops.judge_score is 'scores: a run has one score per criterion';
comment on constraint fk_judge_score_analysis_run_id on ops.judge_score is
  'analysis_run_id must name an analysis run of the same organization.';
comment on constraint fk_judge_score_criterion_id on ops.judge_score is
  'criterion_id must name a criterion of the same organization.';
comment on constraint chk_judge_score_score on ops.judge_score is 'scores: score must be from 0 to 10';
comment on constraint chk_judge_score_comment on ops.judge_score is 'scores: comment must be at most 1 MiB';
comment on constraint chk_judge_score_evidence on ops.judge_score is
  'scores: evidence must be a JSON object of at most 1 MiB, nested at most 32 deep';

alter table ops.judge_score alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_score');
select app.table_policies_for_members('ops.judge_score', to_read => 'analyses:read');
select app.table_policy_for_analysts('ops.judge_score');

grant select on ops.judge_score to curestry_member;
grant select on ops.judge_score to curestry_analyst;
grant select, insert, update (occurred_at) on ops.judge_score to curestry_definer;

create or replace trigger _200_rubric after insert on ops.judge_score
  referencing new table as new_rows for each statement execute function app.tg_judge_score__rubric();
select app.mart_source_table('ops.judge_score', 'judge');
select app.mart_source_table('ops.judge_score', 'analysis', trigger_function => 'tg__mart_changes_of_runs');
select app.audit_table('ops.judge_score');
--! EndIncluded ops/tables/judge_score.sql
--! Included ops/tables/organization.sql
/*
 * ops.organization: generated from the database by `deno task generate`
 *
 *   id                      uuid          not null default gen_random_uuid()
 *   name                    varchar(255)  not null
 *   slug                    varchar(100)  not null
 *   personal_user_id        integer
 *   created_at              timestamptz   not null default now()
 *   updated_at              timestamptz   not null default now()
 *   audit_retention_months  integer
 *   raw_retention_days      integer
 *   time_zone               text          not null default 'UTC'
 *
 *   pk_organization                          primary key (id)
 *   unq_organization_personal_user_id        unique (personal_user_id)
 *   unq_organization_slug                    unique (slug)
 *   fk_organization_personal_user_id         foreign key (personal_user_id) references core.users(id)
 *   chk_organization_audit_retention_months  check (audit_retention_months >= 1 and audit_retention_months <= 1200)
 *   chk_organization_name                    check (name ~ '\S')
 *   chk_organization_raw_retention_days      check (raw_retention_days >= 1 and raw_retention_days <= 36600)
 *   chk_organization_slug                    check (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
 *   chk_organization_time_zone               check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$')
 */

select app.table_usual_comments('ops.organization');
comment on table ops.organization is 'A tenant: a team or company, or the personal organization of a user.';
comment on column ops.organization.id is 'Identifies the organization.';
comment on column ops.organization.name is 'Display name.';
comment on column ops.organization.slug is
  'Short name for addresses and headers: lower-case letters, digits and hyphens; unique.';
comment on column ops.organization.time_zone is
  'Whose hours and days the marts count by: a name of the IANA database, such as Europe/Berlin. Changing it has them '
  'rebuilt.';
comment on column ops.organization.personal_user_id is 'The user whose personal organization this is; null for teams.';
comment on column ops.organization.audit_retention_months is
  'For how many months the audit log is kept; older months leave it once sealed. Null: for ever.';
comment on column ops.organization.raw_retention_days is
  'For how many days analysis runs with all that belongs to them, and feature events, are kept; the numbers in the '
  'marts stay. Null: for ever.';
comment on constraint pk_organization on ops.organization is 'One row per organization.';
comment on constraint unq_organization_slug on ops.organization is 'there is an organization with this slug already';
comment on constraint unq_organization_personal_user_id on ops.organization is 'A user has one personal organization.';
comment on constraint chk_organization_name on ops.organization is 'name must not be blank';
comment on constraint chk_organization_slug on ops.organization is
  'slug must be lower-case letters, digits and hyphens, and begin and end with a letter or digit';
comment on constraint chk_organization_audit_retention_months on ops.organization is
  'audit_retention_months must be from 1 to 1200';
comment on constraint chk_organization_raw_retention_days on ops.organization is
  'raw_retention_days must be from 1 to 36600';
comment on constraint chk_organization_time_zone on ops.organization is
  'timeZone: must be the name of a time zone, of at most 64 characters';

select app.table_protect('ops.organization');

drop policy if exists select_own on ops.organization;
create policy select_own on ops.organization for select to curestry_member
  using (id = app.organization_id());
comment on policy select_own on ops.organization is 'Members see their request''s organization.';

drop policy if exists update_own on ops.organization;
create policy update_own on ops.organization for update to curestry_member
  using (id = app.organization_if('organization:write'));
comment on policy update_own on ops.organization is
  'The organization is renamed, and its settings changed, with organization:write.';

drop policy if exists delete_own on ops.organization;
create policy delete_own on ops.organization for delete to curestry_member
  using (id = app.organization_if('organization:write') and personal_user_id is null);
comment on policy delete_own on ops.organization is
  'The organization is deleted with organization:write, with all that is its own; a personal one stays.';

drop policy if exists select_granted on ops.organization;
create policy select_granted on ops.organization for select to curestry_analyst
  using (id = any (app.analyst_organizations()));
comment on policy select_granted on ops.organization is 'Analysts read the organizations granted to them.';

grant select,
      update (name, slug, time_zone, audit_retention_months, raw_retention_days),
      delete
   on ops.organization to curestry_member;
grant select on ops.organization to curestry_analyst;
grant select, insert, update (name), delete on ops.organization to curestry_definer;

create or replace trigger _100_updated_at before update on ops.organization
  for each row execute function app.tg__updated_at();
create or replace trigger _100_name before insert or update of slug, name on ops.organization
  for each row execute function app.tg_organization__name();
create or replace trigger _200_held before delete on ops.organization
  for each row execute function app.tg_organization__legal_hold();
create or replace trigger _200_time_zone before insert or update of time_zone on ops.organization
  for each row execute function app.tg_organization__time_zone();
create or replace trigger _800_mart_changes after update of time_zone on ops.organization
  for each row when (OLD.time_zone is distinct from NEW.time_zone) execute function app.tg_organization__mart_changes();
select app.audit_table('ops.organization', organization_column => 'id');
--! EndIncluded ops/tables/organization.sql
--! Included ops/tables/organization_user.sql
/*
 * ops.organization_user: generated from the database by `deno task generate`
 *
 *   id               uuid         not null default gen_random_uuid()
 *   organization_id  uuid         not null
 *   user_id          integer      not null
 *   role             varchar(20)  not null
 *   status           varchar(20)  not null default 'active'
 *   created_at       timestamptz  not null default now()
 *
 *   pk_organization_user                  primary key (organization_id, id)
 *   unq_organization_user_user_id         unique (organization_id, user_id)
 *   fk_organization_user_organization_id  foreign key (organization_id) references ops.organization(id) on delete
 *                                           cascade
 *   fk_organization_user_user_id          foreign key (user_id) references core.users(id) on delete cascade
 *   chk_organization_user_role            check (role in ('owner', 'admin', 'member', 'viewer'))
 *   chk_organization_user_status          check (status in ('active', 'invited', 'removed'))
 *
 *   idx_organization_user_user_id  index (user_id, organization_id)
 */

select app.table_usual_comments('ops.organization_user');
comment on table ops.organization_user is
  E'@unique id\nA membership: a user, an organization, and what the user may do there.';
comment on column ops.organization_user.user_id is 'The member.';
comment on column ops.organization_user.role is 'owner, admin, member or viewer.';
comment on column ops.organization_user.status is 'active, invited or removed; only active has rights.';
comment on constraint unq_organization_user_user_id on ops.organization_user is
  'a user is a member of an organization once';
comment on constraint chk_organization_user_role on ops.organization_user is
  'role must be owner, admin, member or viewer';
comment on constraint chk_organization_user_status on ops.organization_user is
  'status must be active, invited or removed';

select app.table_protect('ops.organization_user');
select app.table_policies_for_members('ops.organization_user', to_read => 'members:read');
select app.table_policy_for_analysts('ops.organization_user');

grant select on ops.organization_user to curestry_member;
grant select on ops.organization_user to curestry_analyst;
grant select, insert, update (role, status) on ops.organization_user to curestry_definer;

create or replace trigger _200_owner_update after update of role, status, user_id on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_owner_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__owner();
create or replace trigger _200_quota_insert before insert on ops.organization_user
  for each row when (NEW.status <> 'removed') execute function app.tg_organization_user__quota();
create or replace trigger _200_quota_update before update of status on ops.organization_user
  for each row when (OLD.status = 'removed' and NEW.status <> 'removed')
  execute function app.tg_organization_user__quota();
create or replace trigger _500_keys_update after update of status on ops.organization_user
  for each row when (NEW.status = 'removed') execute function app.tg_organization_user__keys();
create or replace trigger _500_keys_delete after delete on ops.organization_user
  for each row execute function app.tg_organization_user__keys();
select app.audit_table('ops.organization_user');
--! EndIncluded ops/tables/organization_user.sql
--! Included mart/functions/metric_series.sql
create or replace function mart.metric_series(
  key text, "from" timestamptz, "to" timestamptz, bucket mart.series_bucket default 'DAY',
  fill mart.series_fill default 'NONE', source text default 'metric'
) returns mart.series_point[]
language plpgsql stable security definer set search_path = '' set jit = off as $$
declare
  v_organization constant uuid := app.require('marts:read');
  v_zone constant text := coalesce(
    (select s.time_zone from app.mart_state s where s.organization_id = v_organization), 'UTC');
  -- Days are of two zones while the marts are rebuilt for another one
  v_part constant text := case
    when metric_series.bucket = 'HOUR' or exists (
           select from app.mart_state s
            where s.organization_id = v_organization and s.rebuild_time_zone <> s.time_zone) then 'hour'
    else 'day' end;
begin
  if source not in ('metric', 'node', 'judge', 'evaluation') then
    perform app.refuse('CU004',
      format('source: must be metric, node, judge or evaluation, not %s', to_json(source)),
      'source', 'metric_series_source');
  end if;
  return (
    with bucket as materialized (
      select b.* from app.bucket_series(v_zone, metric_series.bucket, "from", "to") as b
    ), measured as (
      select b.n, b.points, b.low, b.high, m.sample_count, m.numeric_count,
             m.value_sum, m.value_num, m.value_min, m.value_max, m.value_json,
             -- The bucket of the last number before, or here
             max(b.n) filter (where m.numeric_count > 0) over (order by b.n) as last
        from bucket b
        left join app.mart_merge_metric_timeseries(
               v_organization, metric_series.source, v_part, metric_series.key,
               (select array_agg(a.low order by a.n) from bucket a),
               (select array_agg(a.high order by a.n) from bucket a)) as m
          on m.ts_bucket = b.low
    ), point as (
      select b.n, b.points, b.low, b.high,
             case
               when b.sample_count is not null then
                 row(b.sample_count, b.numeric_count, b.value_sum, b.value_num, b.value_min, b.value_max,
                     (b.value_json ->> 'p50')::numeric, (b.value_json ->> 'p90')::numeric,
                     (b.value_json ->> 'p95')::numeric, (b.value_json ->> 'p99')::numeric,
                     b.value_json -> 'counts', (b.value_json ->> 'other')::bigint)::mart.series_values
               when metric_series.fill = 'ZERO' then row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}', 0)::mart.series_values
               when metric_series.fill = 'PREVIOUS' then
                 row(0, 0, 0, l.value_num, l.value_min, l.value_max,
                     (l.value_json ->> 'p50')::numeric, (l.value_json ->> 'p90')::numeric,
                     (l.value_json ->> 'p95')::numeric, (l.value_json ->> 'p99')::numeric,
                     null, null)::mart.series_values
               when metric_series.fill = 'NULL' then
                 row(0, 0, null, null, null, null, null, null, null, null, null, null)::mart.series_values
             end as measured
        from measured b
        left join measured l on l.n = b.last
    )
    select coalesce(array_agg(row(c.low, c.high, (c.measured).*, p.low, p.measured)::mart.series_point
                              order by c.n), '{}')
      from point c
      join point p on p.n = c.n - c.points
     where c.n > c.points and c.measured is distinct from null);
end;
$$;
alter function mart.metric_series owner to curestry_definer;
revoke execute on function mart.metric_series from public;
grant execute on function mart.metric_series to curestry_member;
comment on function mart.metric_series is
  'A metric over time, in buckets of the organization''s time zone that the period from "from" to before "to" '
  'touches, at most 10000, each beside that of the previous period. source: metric (of analyses), node, judge or '
  'evaluation. Needs marts:read.';
--! EndIncluded mart/functions/metric_series.sql
--! Included ops/functions/create_organization.sql
create or replace function ops.create_organization(slug text, name text) returns ops.organization
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_organization ops.organization;
begin
  -- One at a time
  perform from core.users u where u.id = v_user for no key update;
  perform app.quota_check('organizations_of_person',
                          (select count(*) from app.organization_creation c where c.user_id = v_user));
  insert into ops.organization (name, slug) values (create_organization.name, create_organization.slug)
  returning * into v_organization;
  insert into ops.organization_user (organization_id, user_id, role) values (v_organization.id, v_user, 'owner');
  insert into app.organization_creation (organization_id, user_id) values (v_organization.id, v_user);
  return v_organization;
end;
$$;
alter function ops.create_organization owner to curestry_definer;
revoke execute on function ops.create_organization from public;
grant execute on function ops.create_organization to curestry_member;
comment on function ops.create_organization is
  'Creates an organization that you own. Choose it for a request with the header X-Curestry-Organization. Needs a '
  'person who has signed in.';
--! EndIncluded ops/functions/create_organization.sql
--! Included ops/functions/entity_as_of.sql
create or replace function ops.entity_as_of(type text, id text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_as_of.type);
  v_last ops.audit_log;
begin
  select a.* into v_last
    from app.audit_entity_entries(v_organization, v_table, entity_as_of.id) a
   where a.ts <= entity_as_of.at
   order by a.seq desc
   limit 1;
  return case
    when v_last.action in ('delete', 'truncate') then null
    when v_last.after_state is null and v_last.erasure_id is not null then
      jsonb_build_object('erased', v_last.erasure_id)
    else v_last.after_state - 'secrets'
  end;
end;
$$;
alter function ops.entity_as_of owner to curestry_definer;
revoke execute on function ops.entity_as_of from public;
grant execute on function ops.entity_as_of to curestry_member;
comment on function ops.entity_as_of is
  'The state of a row of this organization at a time, without secrets, by the names of its columns; null if it did '
  'not exist then, or the audit had not begun. type is a type of the API (Prompt) or a table (core.prompts). An '
  'erased state is {"erased": the erasure}. Needs audit:read.';
--! EndIncluded ops/functions/entity_as_of.sql
--! Included ops/functions/entity_history.sql
create or replace function ops.entity_history(type text, id text) returns setof ops.entity_change
language plpgsql stable security definer set search_path = '' rows 20 as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_history.type);
  -- Only a request that may read members sees more of a person than the id.
  v_visible constant integer[] := app.member_visible_user_ids();
begin
  return query
    select a.ts, a.action::text, a.actor_user_id, u.email::text, a.actor_api_key_id, k.name::text, a.actor_role::text,
           a.request_id::text,
           c.changes, a.erasure_id,
           case when a.action = 'baseline' then 'It was there when this log begins' else
             coalesce(u.email || coalesce(' (API key "' || k.name || '")', ''),
                      'the API key "' || k.name || '"', 'user ' || a.actor_user_id,
                      'the login ' || a.actor_role)
             || case a.action
                  when 'insert' then ' created it'
                  when 'delete' then ' removed it'
                  when 'truncate' then ' removed all rows of ' || v_table
                  when 'update' then
                    case when v_table = 'ops.organization_user' and a.before_state ->> 'status' = 'invited'
                              and a.after_state ->> 'status' = 'active'
                         then ' accepted the invitation: ' else ' changed ' end
                    || coalesce(s.columns, 'nothing')
                end end
           || case when a.erasure_id is null then '' else ' (the values were erased)' end
      from app.audit_entity_entries(v_organization, v_table, entity_history.id) a
      left join core.users u on u.id = a.actor_user_id and u.id = any (v_visible)
      left join ops.api_key k on k.organization_id = v_organization and k.id = a.actor_api_key_id
      left join lateral (
        select array_agg(row(n.name, a.before_state -> n.name, a.after_state -> n.name)::ops.column_change
                         order by n.name) as changes
          from (select w.name from unnest(a.changed_columns) as w (name) where w.name <> 'updated_at'
                union
                select j.key from jsonb_each(coalesce(a.after_state, a.before_state)) j
                 where a.action <> 'update' and j.value <> 'null' and j.key <> 'secrets') n) c on true
      left join lateral (
        select case count(*) when 1 then min(w.words)
               else array_to_string((array_agg(w.words order by w.name))[:count(*)::integer - 1], ', ')
                    || ' and ' || (array_agg(w.words order by w.name desc))[1] end as columns
          from (select c.name, app.audit_change_in_words(
                                 c.name, a.before_state -> c.name, a.after_state -> c.name) as words
                  from unnest(a.changed_columns) as c (name)
                 where c.name <> 'updated_at') w
        having count(*) > 0) s on true
     order by a.seq desc;
end;
$$;
alter function ops.entity_history owner to curestry_definer;
revoke execute on function ops.entity_history from public;
grant execute on function ops.entity_history to curestry_member;
comment on function ops.entity_history is
  'Who changed a row of this organization, what and when, newest first. type is a type of the API (Prompt) or a '
  'table (core.prompts). Empty for an id that the organization never had. Needs audit:read.';
--! EndIncluded ops/functions/entity_history.sql
--! Included ops/functions/invite_member.sql
create or replace function ops.invite_member(email text, role text default 'member') returns ops.new_invitation
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('members:write');
  v_code constant text := encode(
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
  v_user integer;
  v_member ops.organization_user;
  v_expires constant timestamptz := now() + interval '7 days';
begin
  perform app.member_check_rank(role);
  perform from ops.organization o where o.id = v_organization for no key update;
  v_user := app.user_ensure(email);
  select m.* into v_member from ops.organization_user m where m.organization_id = v_organization and m.user_id = v_user;
  if v_member.status = 'active' then
    perform app.refuse('CU005', 'This person is a member already; change the role instead',
                       'email', 'unq_organization_user_user_id');
  end if;
  if v_member.status = 'invited' then
    perform app.member_check_rank(v_member.role);
  end if;
  insert into ops.organization_user as m (organization_id, user_id, role, status)
  values (v_organization, v_user, invite_member.role, 'invited')
  on conflict on constraint unq_organization_user_user_id do update set role = excluded.role, status = 'invited'
  returning m.* into v_member;
  -- A new invitation replaces earlier ones.
  update ops.invitation i set expires_at = least(i.expires_at, greatest(now(), i.created_at + interval '1 microsecond'))
   where i.organization_id = v_organization and i.organization_user_id = v_member.id and i.accepted_at is null;
  insert into ops.invitation (organization_id, organization_user_id, code_hash, invited_by_user_id, expires_at)
  values (v_organization, v_member.id, encode(sha256(convert_to(v_code, 'UTF8')), 'hex'), app.user_id(), v_expires);
  return row(v_member.id, v_user, app.email_normalize(email), v_member.role, v_code, v_expires)::ops.new_invitation;
end;
$$;
alter function ops.invite_member owner to curestry_definer;
revoke execute on function ops.invite_member from public;
grant execute on function ops.invite_member to curestry_member;
comment on function ops.invite_member is
  'Invites a person by e-mail address, as viewer, member, admin or owner, and returns a code, once: give it to that '
  'person, who accepts with it within 7 days. Needs members:write; only an owner invites admins and owners.';
--! EndIncluded ops/functions/invite_member.sql

-- The keys of members who were removed before
set local role curestry_definer;
update ops.api_key k set is_revoked = true, revoked_at = now()
 where not k.is_revoked and not k.by_operator and k.user_id is not null
   and not exists (select from ops.organization_user m
                    where m.organization_id = k.organization_id and m.user_id = k.user_id and m.status <> 'removed');
set local role curestry_owner;

-- The audit triggers record the digests from now on, and the log gets those of the rows that exist.
select app.audit_table(a.table_name::regclass, a.organization_column, a.id_column, a.secret_columns, a.note_columns,
                       a.summarize_inserts)
  from app.audited_table a;
select app.audit_baseline();
