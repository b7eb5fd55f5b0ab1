comment on table app.mart_state is 'What the marts of an organization are made by. No row: UTC, and nothing is frozen.';
comment on column app.mart_state.organization_id is 'Whose marts.';
comment on column app.mart_state.time_zone is 'The zone of their hours and days: that of the organization, once they have been rebuilt for it.';
comment on column app.mart_state.frozen_before is 'Facts before this time may have been removed: what the marts say of it stays as it is.';
comment on column app.mart_state.closing_before is 'Facts before this time are not accepted any more: what is there of them is about to be taken up for good and removed.';
comment on column app.mart_state.closing_xid is 'When all transactions before this one have ended, nothing before closing_before can come any more; null: that is not decided yet.';
comment on constraint pk_mart_state on app.mart_state is 'One row per organization.';
comment on constraint fk_mart_state_organization_id on app.mart_state is 'The organization must exist.';

alter table app.mart_state enable row level security;
alter table app.mart_state force row level security;
revoke all on app.mart_state from curestry_definer;

drop policy if exists definer_all on app.mart_state;
create policy definer_all on app.mart_state for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_state is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update on app.mart_state to curestry_definer;
