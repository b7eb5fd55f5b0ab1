/*
 * app.audit_sealer: generated from the database by `deno task generate`
 *
 *   singleton    boolean  not null default true
 *   through_xid  bigint   not null
 *   xid_offset   bigint   not null default 0
 *
 *   pk_audit_sealer             primary key (singleton)
 *   chk_audit_sealer_singleton  check (singleton)
 */

comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
comment on column app.audit_sealer.xid_offset is
  'Added to the ids of transactions of this server, which may have begun anew after a restore.';
comment on constraint pk_audit_sealer on app.audit_sealer is 'There is one row.';
comment on constraint chk_audit_sealer_singleton on app.audit_sealer is 'there is one row';

select app.table_protect('app.audit_sealer');

grant select, update on app.audit_sealer to curestry_definer;
