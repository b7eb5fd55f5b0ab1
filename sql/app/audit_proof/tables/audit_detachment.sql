/*
 * app.audit_detachment: generated from the database by `deno task generate`
 *
 *   organization_id  uuid            not null
 *   seq              integer         not null
 *   retention_id     uuid            not null
 *   entry_id         uuid            not null
 *   positions        int4multirange  not null
 *
 *   pk_audit_detachment               primary key (organization_id, seq, retention_id)
 *   fk_audit_detachment_retention_id  foreign key (retention_id) references app.audit_retention(id)
 *
 *   idx_audit_detachment_retention_id  index (retention_id)
 */

comment on table app.audit_detachment is
  'Which rows of a seal left the audit log by retention: whatever else is missing was removed.';
comment on column app.audit_detachment.organization_id is 'Whose rows they were.';
comment on column app.audit_detachment.seq is 'The seal that covers them.';
comment on column app.audit_detachment.retention_id is 'The act by which they left.';
comment on column app.audit_detachment.entry_id is 'The row of the log about that act.';
comment on column app.audit_detachment.positions is 'Their places in the seal, from 1.';
comment on constraint pk_audit_detachment on app.audit_detachment is 'One row per seal and act.';
comment on constraint fk_audit_detachment_retention_id on app.audit_detachment is 'The act must exist.';

select app.table_protect('app.audit_detachment');

grant select on app.audit_detachment to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_detachment
  for each statement execute function app.tg_audit_log__append_only();
