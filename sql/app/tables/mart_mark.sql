comment on table app.mart_mark is 'What the worker has to bring up to date: an hour of an organization whose facts changed. Append-only and without a unique key, so that no writer waits for another and no mark of a writer that has not committed yet is lost.';
comment on column app.mart_mark.id is 'Tells marks apart.';
comment on column app.mart_mark.organization_id is 'Whose facts changed.';
comment on column app.mart_mark.source is 'Which facts: metric, node, judge, evaluation, analysis (runs, documents and their judgements), feature; zone: the time zone of the organization.';
comment on column app.mart_mark.hour is 'Start of the hour that the facts count for, UTC; -infinity: all hours.';
comment on column app.mart_mark.created_at is 'When the facts changed; the age of the oldest mark is how far the marts are behind.';
comment on constraint chk_mart_mark_source on app.mart_mark is 'source must be metric, node, judge, evaluation, analysis, feature or zone';
comment on constraint pk_mart_mark on app.mart_mark is 'One row per organization and id.';

alter table app.mart_mark enable row level security;
alter table app.mart_mark force row level security;
revoke all on app.mart_mark from curestry_definer;

drop policy if exists definer_all on app.mart_mark;
create policy definer_all on app.mart_mark for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_mark is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.mart_mark to curestry_definer;
