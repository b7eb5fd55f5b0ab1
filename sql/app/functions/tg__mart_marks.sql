/* Marks are written by the statement that changes facts; nothing is queued or notified inside a writer's transaction. */
create or replace function app.tg__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_closing timestamptz;
begin
  if TG_OP <> 'INSERT' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from old_rows;
  end if;
  if TG_OP <> 'DELETE' then
    insert into app.mart_mark (organization_id, source, hour)
    select distinct organization_id, TG_ARGV[0], date_trunc('hour', occurred_at, 'UTC') from new_rows;
  end if;
  -- What is older than the organization keeps could not be counted any more
  if TG_OP = 'INSERT' then
    select s.closing_before into v_closing
      from (select organization_id, min(occurred_at) as earliest from new_rows group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  elsif TG_OP = 'UPDATE' then
    select s.closing_before into v_closing
      from (select n.organization_id, min(n.occurred_at) as earliest
              from new_rows n join old_rows o on o.organization_id = n.organization_id and o.id = n.id
             where n.occurred_at <> o.occurred_at group by 1) n,
           lateral (select m.closing_before from app.mart_state m where m.organization_id = n.organization_id limit 1) s
     where n.earliest < s.closing_before;
  end if;
  if v_closing is not null then
    perform app.refuse_closed('occurred_at', v_closing);
  end if;
  return null;
end;
$$;
alter function app.tg__mart_marks() owner to curestry_definer;
revoke execute on function app.tg__mart_marks() from public;
comment on function app.tg__mart_marks() is 'Trigger: marks the hours whose facts changed, for the worker to bring the marts up to date.';
