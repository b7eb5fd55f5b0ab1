create or replace function app.job_counts() returns table (waiting bigint, running bigint, failed bigint)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select count(*) filter (where j.locked_at is null and j.attempts < j.max_attempts),
         count(*) filter (where j.locked_at is not null),
         count(*) filter (where j.locked_at is null and j.attempts >= j.max_attempts)
    from graphile_worker.jobs j;
end;
$$;
alter function app.job_counts owner to curestry_definer;
revoke execute on function app.job_counts from public;
comment on function app.job_counts is 'How many jobs wait, run, and have failed for good.';
