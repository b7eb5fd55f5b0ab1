create or replace function ops.cancel_job(id bigint) returns text
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_operator();
  return app.cancel_job(cancel_job.id);
end;
$$;
alter function ops.cancel_job(bigint) owner to curestry_definer;
revoke execute on function ops.cancel_job(bigint) from public;
grant execute on function ops.cancel_job(bigint) to curestry_member;
comment on function ops.cancel_job(bigint) is 'Takes a job out of the queue; answers its task. For operators, in person.';
