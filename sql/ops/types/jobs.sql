comment on type ops.failed_job is 'A job of the worker that failed permanently. Its payload is not in the API.';
comment on column ops.failed_job.id is E'@notNull\nIdentifies the job.';
comment on column ops.failed_job.task is E'@notNull\nWhat was to be done.';
comment on column ops.failed_job.attempts is E'@notNull\nHow often it was tried.';
comment on column ops.failed_job.max_attempts is E'@notNull\nHow often it was to be tried at most.';
comment on column ops.failed_job.error is 'Why it failed the last time.';
comment on column ops.failed_job.created_at is E'@notNull\nWhen it was queued.';
comment on column ops.failed_job.failed_at is E'@notNull\nWhen it failed the last time.';

comment on type ops.task_run is 'A scheduled or polling task of the worker, and when it last ran.';
comment on column ops.task_run.task is E'@notNull\nWhich task.';
comment on column ops.task_run.kind is
  E'@words TaskKind\n@word schedule By a line of the crontab.\n@word poll Checked all the time.\n'
  '@notNull\nschedule: a line of the crontab; poll: checked all the time.';
comment on column ops.task_run.is_late is
  E'@notNull\nWhether it has not succeeded for three times as long as it should take.';
comment on column ops.task_run.expected_seconds is 'How often it runs: at most this long after the time before.';
comment on column ops.task_run.started_at is 'When it last began.';
comment on column ops.task_run.succeeded_at is 'When it last succeeded.';
comment on column ops.task_run.failed_at is 'When it last failed.';
comment on column ops.task_run.error is 'Why it last failed.';
comment on column ops.task_run.milliseconds is 'How long it took the last time.';
grant usage on type ops.failed_job, ops.task_run to curestry_member, curestry_definer;
