create or replace function app.task_expect(tasks jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into app.task_run (kind, task, expected_seconds)
  select t.kind, t.task, t.seconds
    from jsonb_to_recordset(tasks) as t (kind text, task text, seconds integer)
   order by 1, 2
  on conflict on constraint pk_task_run do update
    set expected_seconds = excluded.expected_seconds
    where task_run.expected_seconds <> excluded.expected_seconds;
  delete from app.task_run r
   where not exists (select from jsonb_to_recordset(tasks) as t (kind text, task text)
                      where t.kind = r.kind and t.task = r.task);
end;
$$;
alter function app.task_expect owner to curestry_definer;
revoke execute on function app.task_expect from public;
grant execute on function app.task_expect to curestry_worker;
comment on function app.task_expect is
  'Says which tasks run by themselves ({kind, task, seconds}: how often), so that one that does not run at all is '
  'missed. The worker does so when it starts.';
