comment on table app.mart_check is 'What the nightly check of a random sample of days found.';
comment on column app.mart_check.id is 'Tells checks apart.';
comment on column app.mart_check.checked_at is 'When.';
comment on column app.mart_check.buckets is 'How many days of organizations were compared with their source.';
comment on column app.mart_check.differences is 'How many rows of the marts were not what they should be.';
comment on column app.mart_check.details is 'The first 20 of them: organization, mart, bucket, key, expected, actual.';
comment on constraint pk_mart_check on app.mart_check is 'One row per check.';
comment on constraint chk_mart_check_buckets on app.mart_check is 'buckets must be at least 0';
comment on constraint chk_mart_check_differences on app.mart_check is 'differences must be at least 0';
comment on constraint chk_mart_check_details on app.mart_check is 'details must be an array';

alter table app.mart_check enable row level security;
alter table app.mart_check force row level security;
revoke all on app.mart_check from curestry_definer;

drop policy if exists definer_all on app.mart_check;
create policy definer_all on app.mart_check for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.mart_check is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.mart_check to curestry_definer;
