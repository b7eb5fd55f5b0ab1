/*
 * "depends_on" has no cycles. Relations of an organization are written one at a time: two transactions that each add
 * half of a cycle would not see each other.
 */
create or replace function app.tg_prompt_relations__no_cycle() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_cycle text;
begin
  perform app.organization_lock_take(NEW.organization_id, 'prompt relations');
  with recursive reached (id, path) as (
    select NEW.target_id, array[NEW.source_id, NEW.target_id]::text[]
    union all
    select r.target_id, d.path || r.target_id::text
      from reached d
      join core.prompt_relations r
        on r.organization_id = NEW.organization_id and r.source_id = d.id
       and r.relation_type = 'depends_on' and r.id <> NEW.id
     where not d.id = any (d.path[:cardinality(d.path) - 1])
  )
  select array_to_string(d.path, ' → ') into v_cycle from reached d where d.id = NEW.source_id limit 1;
  if found then
    perform app.refuse('CU004', format('This prompt would depend on itself: %s', v_cycle),
                       'targetId', 'prompt_relations_no_cycle');
  end if;
  return NEW;
end;
$$;
alter function app.tg_prompt_relations__no_cycle owner to curestry_definer;
revoke execute on function app.tg_prompt_relations__no_cycle from public;
comment on function app.tg_prompt_relations__no_cycle is
  'Trigger: no prompt depends on itself, directly or indirectly.';
