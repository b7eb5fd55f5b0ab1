comment on table app.audit_sealer is 'How far the audit log is sealed; one row.';
comment on column app.audit_sealer.singleton is 'There is one row.';
comment on column app.audit_sealer.through_xid is 'Every row of a transaction before this one is sealed.';
comment on column app.audit_sealer.xid_offset is 'Added to the ids of transactions of this server, which may have begun anew after a restore.';
comment on constraint pk_audit_sealer on app.audit_sealer is 'There is one row.';
comment on constraint chk_audit_sealer_singleton on app.audit_sealer is 'there is one row';

alter table app.audit_sealer enable row level security;
alter table app.audit_sealer force row level security;

drop policy if exists definer_all on app.audit_sealer;
create policy definer_all on app.audit_sealer for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.audit_sealer is 'The functions that look past row level security; the grants say what they may.';
grant select, update on app.audit_sealer to curestry_definer;
