create or replace function app.note_task_start(task_kind text, task_name text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r set started_at = clock_timestamp() where r.kind = task_kind and r.task = task_name;
$$;
alter function app.note_task_start(text, text) owner to curestry_definer;
revoke execute on function app.note_task_start(text, text) from public;
grant execute on function app.note_task_start(text, text) to curestry_worker;
comment on function app.note_task_start(text, text) is 'Notes that a task which runs by itself has begun.';
