/*
 * app.audit_seal: generated from the database by `deno task generate`
 *
 *   organization_id  uuid         not null
 *   seq              integer      not null
 *   from_xid         bigint       not null
 *   through_xid      bigint       not null
 *   entry_ids        uuid[]       not null
 *   state_digests    bytea[]      not null
 *   entry_digests    bytea[]      not null
 *   previous_hash    bytea        not null
 *   hash             bytea        not null
 *   sealed_at        timestamptz  not null default now()
 *
 *   pk_audit_seal             primary key (organization_id, seq)
 *   chk_audit_seal_entry_ids  check (cardinality(entry_ids) >= 1 and cardinality(entry_ids) <= 1000 and
 *                               cardinality(state_digests) = cardinality(entry_ids) and cardinality(entry_digests) =
 *                               cardinality(entry_ids))
 *   chk_audit_seal_seq        check (seq >= 1)
 */

comment on table app.audit_seal is
  'The hash chain of the audit log, one per organization: each seal covers up to 1000 rows and the seal before it. '
  'Append-only.';
comment on column app.audit_seal.organization_id is 'Whose log it seals; the nil UUID for rows of no organization.';
comment on column app.audit_seal.seq is 'Its place in the chain, from 1.';
comment on column app.audit_seal.from_xid is 'It covers rows of transactions from this one on,';
comment on column app.audit_seal.through_xid is 'and before this one: all of them had ended when it was made.';
comment on column app.audit_seal.entry_ids is 'The rows, in order: so that a missing one can be named.';
comment on column app.audit_seal.state_digests is
  'SHA-256 of the before and after state of each row: the part that can be erased without breaking the chain.';
comment on column app.audit_seal.entry_digests is 'SHA-256 of each row, its states by their digest.';
comment on column app.audit_seal.previous_hash is 'The hash of the seal before it; zeros for the first.';
comment on column app.audit_seal.hash is 'SHA-256 of all of the above.';
comment on column app.audit_seal.sealed_at is 'When it was made.';
comment on constraint pk_audit_seal on app.audit_seal is 'One row per organization and place.';
comment on constraint chk_audit_seal_seq on app.audit_seal is 'seq must be at least 1';
comment on constraint chk_audit_seal_entry_ids on app.audit_seal is
  'a seal covers 1 to 1000 rows, each with its digests';

select app.table_protect('app.audit_seal');

grant select, insert on app.audit_seal to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_seal
  for each statement execute function app.tg_audit_log__append_only();
