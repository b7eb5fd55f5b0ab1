/*
 * One slice of what an organization's marts are behind, so that a transaction is short however long a history is: the
 * changes of at most 200 hours, the oldest first, or 100 days of a rebuild. It deletes those changes and recomputes
 * exactly their hours and days, in one transaction: after a crash, the changes are still there. The lock is taken
 * before the statement that deletes the changes, whose snapshot then sees everything that an earlier worker wrote.
 * The time zone is read in that same statement: whoever sees a new zone also sees the change that announces it.
 * While a rebuild goes on, other changes wait for its end.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_slice timestamptz[];
  v_through_id bigint;
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform app.organization_lock_take(organization, 'marts');
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour = '-infinity')
     or exists (select from app.mart_change m
                  join ops.organization o on o.id = m.organization_id
                  left join app.mart_state s on s.organization_id = o.id
                 where m.organization_id = organization
                   and (s.rebuild_change_id is not null or coalesce(s.time_zone, 'UTC') <> o.time_zone)) then
    return app.mart_rebuild_organization(organization);
  end if;
  select array_agg(h.hour), max(h.through_id) into v_slice, v_through_id
    from (select o.hour, min(o.id) as first_id, max(max(o.id)) over () as through_id
            from (select m.id, m.hour from app.mart_change m
                   where m.organization_id = organization order by m.id limit 10000) o
           group by o.hour
           order by 2
           limit 200) h;
  with deleted as (
    delete from app.mart_change m
     where m.organization_id = organization and m.id <= v_through_id
       and m.hour = any (v_slice) and m.hour <> '-infinity'
    returning m.source, m.hour
  ), change as (
    select distinct source, hour from deleted
  )
  select (select array_agg(c.source) from change c), (select array_agg(c.hour) from change c),
         coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity')
    into v_sources, v_hours, v_zone, v_immutable_before
    from (values (organization)) as i (id)
    left join app.mart_state s on s.organization_id = i.id;
  if v_hours is null then
    return 0;
  end if;
  foreach v_source in array array(select distinct s.source from unnest(v_sources) as s (source) order by 1) loop
    select array_agg(h.low order by h.low), array_agg(h.high order by h.low) into v_lows, v_highs
      from app.bucket_hours(v_zone, array(
             select m.hour from unnest(v_sources, v_hours) as m (source, hour) where m.source = v_source)) as h
     where h.low >= v_immutable_before;
    perform app.mart_refresh_buckets(organization, v_zone, v_source, v_lows, v_highs);
  end loop;
  return (select count(distinct h.hour) from unnest(v_hours) as h (hour));
end;
$$;
alter function app.mart_refresh_organization owner to curestry_definer;
revoke execute on function app.mart_refresh_organization from public;
grant execute on function app.mart_refresh_organization to curestry_worker, curestry_owner;
comment on function app.mart_refresh_organization is
  'Brings a slice of the marts of one organization up to date; returns how many hours. Call it again while '
  'app.mart_is_behind.';
