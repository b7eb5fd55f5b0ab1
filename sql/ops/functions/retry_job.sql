create or replace function ops.retry_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.retry_job(retry_job.id);
end;
$$;
alter function ops.retry_job(bigint) owner to curestry_definer;
revoke execute on function ops.retry_job(bigint) from public;
grant execute on function ops.retry_job(bigint) to curestry_member;
comment on function ops.retry_job(bigint) is
  'Lets a job run again at once, with all its attempts; answers its task. For operators, in person.';
