/* A rebuild of the same span that was not finished goes on: what it has done is not done again. */
create or replace function app.start_rebuild(from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organizations integer, resumed boolean, seconds double precision)
language plpgsql volatile security definer set search_path = '' as $$
begin
  if from_ts >= to_ts then
    perform app.refuse('CU004', 'to: must lie after from', 'to');
  end if;
  resumed := exists (select from app.mart_rebuild r
                      where r.from_ts = start_rebuild.from_ts and r.to_ts = start_rebuild.to_ts
                        and (only_organization is null or r.organization_id = only_organization));
  if not resumed then
    insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
    select o.id, start_rebuild.from_ts, start_rebuild.to_ts, e.first, e.last
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id,
           lateral app.mart_extent(o.id, coalesce(s.time_zone, 'UTC'), greatest(start_rebuild.from_ts, coalesce(s.frozen_before, '-infinity')), start_rebuild.to_ts) as e
     where e.first is not null and (only_organization is null or o.id = only_organization);
  end if;
  select count(*), coalesce(sum(extract(epoch from r.last_ts - r.next_ts)), 0) into organizations, seconds
    from app.mart_rebuild r
   where r.from_ts = start_rebuild.from_ts and r.to_ts = start_rebuild.to_ts
     and (only_organization is null or r.organization_id = only_organization);
  return next;
end;
$$;
alter function app.start_rebuild(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.start_rebuild(timestamptz, timestamptz, uuid) from public;
grant execute on function app.start_rebuild(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.start_rebuild(timestamptz, timestamptz, uuid) is
  'Plans a rebuild of the marts of a span of time, of one organization or of all; answers how many organizations and how much time are ahead. app.continue_rebuild does it. For operators.';
