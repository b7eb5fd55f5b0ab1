/* An unfinished rebuild of the same span is resumed: days that are done are not repeated. */
create or replace function app.mart_rebuild_start(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organizations integer, resumed boolean, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  resumed := exists (select from app.mart_rebuild r
                      where r.from_ts = mart_rebuild_start.from_ts and r.to_ts = mart_rebuild_start.to_ts
                        and (only_organization is null or r.organization_id = only_organization));
  if not resumed then
    insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
    select o.id, mart_rebuild_start.from_ts, mart_rebuild_start.to_ts, e.first, e.last
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_extent(
             o.id, coalesce(s.time_zone, 'UTC'),
             greatest(mart_rebuild_start.from_ts, coalesce(s.marts_immutable_before, '-infinity')),
             mart_rebuild_start.to_ts) as e
     where e.first is not null and (only_organization is null or o.id = only_organization);
  end if;
  select count(*), coalesce(sum(extract(epoch from r.last_ts - r.next_ts)), 0) into organizations, seconds
    from app.mart_rebuild r
   where r.from_ts = mart_rebuild_start.from_ts and r.to_ts = mart_rebuild_start.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.mart_rebuild_start owner to curestry_definer;
revoke execute on function app.mart_rebuild_start from public;
grant execute on function app.mart_rebuild_start to curestry_owner;
comment on function app.mart_rebuild_start is
  'Plans a rebuild of the marts of a span of time, of one or all organizations; returns how many organizations and '
  'how much time it covers. app.mart_rebuild_continue does the work. For operators.';
