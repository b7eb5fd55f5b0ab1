create or replace function ops.retry_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return app.job_retry(retry_job.id);
end;
$$;
alter function ops.retry_job owner to curestry_definer;
revoke execute on function ops.retry_job from public;
grant execute on function ops.retry_job to curestry_member;
comment on function ops.retry_job is
  E'@notNull\n'
  '@arg id The job.\n'
  'Runs a job again at once, with all its attempts; returns its task. For platform admins, in person.';
