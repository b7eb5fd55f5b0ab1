comment on table app.mart_rebuild is 'A rebuild of marts that is not finished: one row an organization, forgotten when it is done.';
comment on column app.mart_rebuild.organization_id is 'Whose marts.';
comment on column app.mart_rebuild.from_ts is 'The span that was asked for: its begin.';
comment on column app.mart_rebuild.to_ts is 'The span that was asked for: its end.';
comment on column app.mart_rebuild.next_ts is 'It goes on from here.';
comment on column app.mart_rebuild.last_ts is 'It ends with the day of this time.';
comment on column app.mart_rebuild.created_at is 'When it began.';
comment on constraint pk_mart_rebuild on app.mart_rebuild is 'One row per organization and span.';
comment on constraint fk_mart_rebuild_organization_id on app.mart_rebuild is 'The organization must exist.';

alter table app.mart_rebuild enable row level security;
alter table app.mart_rebuild force row level security;
revoke all on app.mart_rebuild from curestry_definer;

drop policy if exists definer_all on app.mart_rebuild;
create policy definer_all on app.mart_rebuild for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_rebuild is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.mart_rebuild to curestry_definer;
