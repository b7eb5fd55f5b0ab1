/*
 * app.task_run: generated from the database by `deno task generate`
 *
 *   kind              text              not null
 *   task              text              not null
 *   expected_seconds  integer           not null
 *   expected_since    timestamptz       not null default clock_timestamp()
 *   started_at        timestamptz
 *   succeeded_at      timestamptz
 *   failed_at         timestamptz
 *   error             text
 *   milliseconds      double precision
 *
 *   pk_task_run                    primary key (kind, task)
 *   chk_task_run_expected_seconds  check (expected_seconds > 0)
 *   chk_task_run_kind              check (kind in ('schedule', 'poll'))
 */

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

select app.table_protect('app.task_run');

grant select, insert, update, delete on app.task_run to curestry_definer;
