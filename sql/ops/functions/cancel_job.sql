create or replace function ops.cancel_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_platform_admin();
  return app.job_cancel(cancel_job.id);
end;
$$;
alter function ops.cancel_job owner to curestry_definer;
revoke execute on function ops.cancel_job from public;
grant execute on function ops.cancel_job to curestry_member;
comment on function ops.cancel_job is
  E'@notNull\n'
  '@arg id The job.\n'
  'Removes a job from the queue; returns its task. For platform admins, in person.';
