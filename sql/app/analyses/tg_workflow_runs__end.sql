/* The one place that says which step of a workflow run's life is allowed. */
create or replace function app.tg_workflow_runs__end() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if OLD.status <> 'running' and NEW.status <> OLD.status then
    perform app.refuse('CU005', format('A workflow run that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'workflow_run_life');
  end if;
  if NEW.status = 'success' and OLD.status = 'running' then
    -- Nodes that are written now wait, or are seen.
    perform from core.workflow_nodes n where n.organization_id = NEW.organization_id and n.run_id = NEW.id for share;
    if exists (select from core.workflow_nodes n
                where n.organization_id = NEW.organization_id and n.run_id = NEW.id
                  and n.status in ('pending', 'running')) then
      perform app.refuse('CU005', 'A workflow run cannot succeed while a node of it is pending or running',
                         'status', 'workflow_run_life');
    end if;
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_runs__end owner to curestry_definer;
revoke execute on function app.tg_workflow_runs__end from public;
comment on function app.tg_workflow_runs__end is
  'Trigger: running to success, failed or cancelled and nothing else; success only when every node has ended.';
