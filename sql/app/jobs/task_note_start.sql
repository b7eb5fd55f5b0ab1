create or replace function app.task_note_start(task_kind text, task_name text) returns void
language sql volatile security definer set search_path = '' as $$
  update app.task_run r set started_at = clock_timestamp() where r.kind = task_kind and r.task = task_name;
$$;
alter function app.task_note_start owner to curestry_definer;
revoke execute on function app.task_note_start from public;
grant execute on function app.task_note_start to curestry_worker;
comment on function app.task_note_start is 'Notes that a task which runs by itself has begun.';
