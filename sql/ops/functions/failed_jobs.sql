create or replace function ops.failed_jobs() returns setof ops.failed_job
language plpgsql stable security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return query
    select j.id, j.task, j.attempts, j.max_attempts, j.error, j.created_at, j.updated_at from app.job_list(true) j;
end;
$$;
alter function ops.failed_jobs owner to curestry_definer;
revoke execute on function ops.failed_jobs from public;
grant execute on function ops.failed_jobs to curestry_member;
comment on function ops.failed_jobs is
  'The jobs of the worker that failed permanently, of all organizations. For platform admins, in person.';
