create or replace function app.tg_workflow_nodes__life() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_status text;
begin
  -- The run's row is locked, so that it cannot end at the same moment.
  select r.status into v_status from core.workflow_runs r
   where r.organization_id = NEW.organization_id and r.id = NEW.run_id for share;
  if found and v_status <> 'running' and NEW.status in ('pending', 'running') then
    perform app.refuse('CU005', format('The workflow run is %s: none of its nodes can be %s', v_status, NEW.status),
                       'status', 'workflow_node_life');
  end if;
  if TG_OP = 'UPDATE' and NEW.status <> OLD.status and not (OLD.status, NEW.status) in (
       ('pending', 'running'), ('pending', 'success'), ('pending', 'failed'),
       ('running', 'success'), ('running', 'failed')) then
    perform app.refuse('CU005', format('A workflow node that is %s cannot become %s', OLD.status, NEW.status),
                       'status', 'workflow_node_life');
  end if;
  return NEW;
end;
$$;
alter function app.tg_workflow_nodes__life owner to curestry_definer;
revoke execute on function app.tg_workflow_nodes__life from public;
comment on function app.tg_workflow_nodes__life is
  'Trigger: pending to running, success or failed; running to success or failed; and no open node in a run that has '
  'ended.';
