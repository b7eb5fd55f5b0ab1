/*
 * The statement that changes facts records the changes; nothing is queued or notified inside a writer's transaction.
 * The arguments are the source, and the name by which callers know the time field.
 */
create or replace function app.tg__mart_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_change (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  if TG_OP = 'INSERT' then
    if exists (select from new_rows n
                 join app.mart_state s on s.organization_id = n.organization_id
                where n.occurred_at < s.facts_immutable_before) then
      perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
         from new_rows n
        group by n.organization_id;
    end if;
  elsif TG_OP = 'UPDATE' then
    perform app.retention_refuse_facts(TG_ARGV[1], n.organization_id, min(n.occurred_at))
       from new_rows n
       join old_rows o on o.organization_id = n.organization_id and o.id = n.id
      where n.occurred_at <> o.occurred_at
      group by n.organization_id;
  end if;
  return null;
end;
$$;
alter function app.tg__mart_changes owner to curestry_definer;
revoke execute on function app.tg__mart_changes from public;
comment on function app.tg__mart_changes is
  'Trigger: records the hours whose facts changed, for the worker to bring the marts up to date; refuses facts of '
  'times that are not kept.';
