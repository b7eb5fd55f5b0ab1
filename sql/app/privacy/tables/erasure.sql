/*
 * app.erasure: generated from the database by `deno task generate`
 *
 *   id            uuid         not null default gen_random_uuid()
 *   kind          text         not null
 *   subject_id    text         not null
 *   requested_by  name         not null default session_user
 *   erased_at     timestamptz  not null default now()
 *   counts        jsonb
 *   xid           bigint       not null default pg_current_xact_id()::bigint
 *
 *   pk_erasure          primary key (id)
 *   chk_erasure_counts  check (jsonb_typeof(counts) = 'object')
 *   chk_erasure_kind    check (kind in ('user', 'organization'))
 */

comment on table app.erasure is
  'Erasure records: that a user or an organization was erased, when, and how much it was; not who it was.';
comment on column app.erasure.id is 'Identifies the erasure; rows of the audit log that it took values from bear it.';
comment on column app.erasure.kind is 'user or organization.';
comment on column app.erasure.subject_id is 'The id of the user or organization, which is a pseudonym from then on.';
comment on column app.erasure.requested_by is 'Which login of the database erased.';
comment on column app.erasure.erased_at is 'When.';
comment on column app.erasure.counts is
  'How many rows of each table were removed or changed, a JSON object; null until all is done.';
comment on column app.erasure.xid is 'The transaction that erased.';
comment on constraint pk_erasure on app.erasure is 'One row per erasure.';
comment on constraint chk_erasure_kind on app.erasure is 'kind must be user or organization';
comment on constraint chk_erasure_counts on app.erasure is 'counts must be a JSON object';

select app.table_protect('app.erasure');

grant select, insert, update (counts) on app.erasure to curestry_definer;

create or replace trigger _200_append_only before update or delete on app.erasure
  for each row execute function app.tg_erasure__append_only();
create or replace trigger _200_no_truncate before truncate on app.erasure
  for each statement execute function app.tg_erasure__append_only();
