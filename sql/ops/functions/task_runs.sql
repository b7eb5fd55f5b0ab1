create or replace function ops.task_runs() returns setof ops.task_run
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return query select r.* from app.task_list() r;
end;
$$;
alter function ops.task_runs owner to curestry_definer;
revoke execute on function ops.task_runs from public;
grant execute on function ops.task_runs to curestry_member;
comment on function ops.task_runs is
  'The scheduled and polling tasks of the worker, and which of them are late. For platform admins, in person.';
