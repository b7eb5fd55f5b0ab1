comment on table app.audit_detachment is 'Which rows of a seal left the audit log by retention: whatever else is missing was removed.';
comment on column app.audit_detachment.organization_id is 'Whose rows they were.';
comment on column app.audit_detachment.seq is 'The seal in which they stand.';
comment on column app.audit_detachment.retention_id is 'The act by which they left.';
comment on column app.audit_detachment.entry_id is 'The row of the log about that act.';
comment on column app.audit_detachment.positions is 'Their places in the seal, from 1.';
comment on constraint pk_audit_detachment on app.audit_detachment is 'One row per seal and act.';
comment on constraint fk_audit_detachment_retention_id on app.audit_detachment is 'The act must exist.';

alter table app.audit_detachment enable row level security;
alter table app.audit_detachment force row level security;

drop policy if exists definer_all on app.audit_detachment;
create policy definer_all on app.audit_detachment for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_detachment is 'The functions that look past row level security; the grants say what they may.';
grant select on app.audit_detachment to curestry_definer;

create or replace trigger _200_append_only before update or delete or truncate on app.audit_detachment
  for each statement execute function app.tg_audit_log__append_only();
