create or replace function ops.task_runs() returns setof ops.task_run
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return query select r.* from app.task_runs() r;
end;
$$;
alter function ops.task_runs() owner to curestry_definer;
revoke execute on function ops.task_runs() from public;
grant execute on function ops.task_runs() to curestry_member;
comment on function ops.task_runs() is 'The tasks of the worker that run by themselves, and which of them are late. For operators, in person.';
