/* The one place that says which step of a run's life is allowed. */
create or replace function app.tg_analysis_run__life() returns trigger
language plpgsql set search_path = '' as $$
begin
  if NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'failed'),
       ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled')) then
    perform app.refuse('CU005', format('An analysis run that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'analysis_run_life');
  end if;
  if OLD.started_at is not null and NEW.started_at is distinct from OLD.started_at then
    perform app.refuse('CU005', format('An analysis run starts once, and this one is %s', OLD.status),
                       'startedAt', 'analysis_run_life');
  end if;
  if OLD.finished_at is not null and NEW.finished_at is distinct from OLD.finished_at then
    perform app.refuse('CU005', format('An analysis run ends once, and this one is %s', OLD.status),
                       'finishedAt', 'analysis_run_life');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_analysis_run__life from public;
comment on function app.tg_analysis_run__life is
  'Trigger: queued to running, cancelled or failed; running to succeeded, failed or cancelled; nothing else.';
