comment on table app.task_run is 'What runs by itself, and when it last did: one row a task.';
comment on column app.task_run.kind is 'schedule: a line of worker/crontab; poll: looked for all the time.';
comment on column app.task_run.task is 'Which task.';
comment on column app.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column app.task_run.expected_since is 'Since when it should run.';
comment on column app.task_run.started_at is 'When it last began.';
comment on column app.task_run.succeeded_at is 'When it last succeeded.';
comment on column app.task_run.failed_at is 'When it last failed.';
comment on column app.task_run.error is 'Why it last failed.';
comment on column app.task_run.milliseconds is 'How long it took the last time.';
comment on constraint pk_task_run on app.task_run is 'One row a task.';
comment on constraint chk_task_run_kind on app.task_run is 'kind must be schedule or poll';
comment on constraint chk_task_run_expected_seconds on app.task_run is 'expected_seconds must be above 0';

alter table app.task_run enable row level security;
alter table app.task_run force row level security;

drop policy if exists definer_all on app.task_run;
create policy definer_all on app.task_run for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.task_run is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update, delete on app.task_run to curestry_definer;
