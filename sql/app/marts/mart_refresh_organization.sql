/*
 * One slice of what an organization's marts are behind, so that a transaction is short however long a history is: the
 * changes of at most 500 hours, or 100 days of a rebuild. It begins with the hour of the oldest change, which so never
 * waits for more than one slice after it is the oldest, and goes on with the hours after it, then with the first ones:
 * hours of one day are in one slice, whatever the order in which they changed, and the day is merged once.
 *
 * It deletes those changes and recomputes exactly their hours and days, in one transaction: after a crash, the changes
 * are still there. The lock is taken before the statement that deletes the changes, whose snapshot then sees everything
 * that an earlier worker wrote. The time zone is read in that same statement: whoever sees a new zone also sees the
 * change that announces it. While a rebuild goes on, other changes wait for its end.
 */
create or replace function app.mart_refresh_organization(organization uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_oldest timestamptz;
  v_slice timestamptz[];
  v_sources text[];
  v_hours timestamptz[];
  v_zone text;
  v_immutable_before timestamptz;
  v_source text;
  v_lows timestamptz[];
  v_highs timestamptz[];
begin
  perform app.organization_lock_take(organization, 'marts');
  select m.hour into v_oldest from app.mart_change m where m.organization_id = organization order by m.id limit 1;
  if not found then
    return 0;
  end if;
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour = '-infinity')
     or exists (select from ops.organization o
                  left join app.mart_state s on s.organization_id = o.id
                 where o.id = organization
                   and (s.rebuild_change_id is not null or coalesce(s.time_zone, 'UTC') <> o.time_zone)) then
    return app.mart_rebuild_organization(organization);
  end if;
  v_slice := array(select app.mart_changed_hours(organization, v_oldest, 'infinity', 500));
  v_slice := v_slice || array(select app.mart_changed_hours(organization, '-infinity', v_oldest,
                                                            500 - cardinality(v_slice)));
  with deleted as (
    delete from app.mart_change m
     where m.ctid = any (array(select c.ctid from app.mart_change c
                                where c.organization_id = organization and c.hour = any (v_slice)
                                  and c.hour <> '-infinity'
                                limit 100000))
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
