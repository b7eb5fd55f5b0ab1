create or replace function app.task_note_end(task_kind text, task_name text, took double precision, failure text)
returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r
     set started_at = clock_timestamp() - took * interval '1 millisecond',
         succeeded_at = case when failure is null then clock_timestamp() else r.succeeded_at end,
         failed_at = case when failure is null then r.failed_at else clock_timestamp() end,
         error = case when failure is null then r.error else left(failure, 1000) end,
         milliseconds = took
   where r.kind = task_kind and r.task = task_name;
$$;
alter function app.task_note_end owner to curestry_definer;
revoke execute on function app.task_note_end from public;
grant execute on function app.task_note_end to curestry_worker;
comment on function app.task_note_end is
  'Notes how a task which runs by itself has ended: how long it took, in milliseconds, and why it failed, else null.';
