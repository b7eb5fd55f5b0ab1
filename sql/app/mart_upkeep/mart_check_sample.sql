create or replace function app.mart_check_sample(buckets integer default 25) returns app.mart_check
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_checked integer := 0;
  v_found jsonb[] := '{}';
  v_pick record;
  v_row app.mart_check;
begin
  for v_pick in
    select o.id, o.slug, o.zone, o.first + random() * (o.last - o.first) as moment
      from (select i.id, i.slug, coalesce(s.time_zone, 'UTC') as zone, e.first, e.last
              from ops.organization i
              left join app.mart_state s on s.organization_id = i.id,
                   lateral app.mart_extent(i.id, coalesce(s.time_zone, 'UTC'),
                                           coalesce(s.marts_immutable_before, '-infinity'), 'infinity') as e
             where e.first is not null) o,
           generate_series(1, buckets)
     order by random()
     limit buckets
  loop
    -- One statement: the day is skipped if a refresh of it is due.
    with day as (
      select d.* from app.mart_next_day(v_pick.id, v_pick.zone, v_pick.moment, 'infinity') as d
    ), whole as (
      select d.* from day d
       where not exists (select from app.mart_change m
                          where m.organization_id = v_pick.id
                            and (m.hour = '-infinity' or (m.hour > d.low - interval '1 hour' and m.hour < d.high)))
    )
    select v_checked + (select count(*) from whole),
           v_found || array(select to_jsonb(c) - 'waiting' || jsonb_build_object('organization', v_pick.slug)
                              from whole w,
                                   lateral app.mart_compare_day(v_pick.id, v_pick.zone, w.day, w.low, w.high) as c)
      into v_checked, v_found;
  end loop;
  insert into app.mart_check (buckets, differences, details)
  values (v_checked, cardinality(v_found), to_jsonb(v_found[:20]))
  returning * into v_row;
  delete from app.mart_check c where c.checked_at < now() - interval '1 year';
  return v_row;
end;
$$;
alter function app.mart_check_sample owner to curestry_definer;
revoke execute on function app.mart_check_sample from public;
grant execute on function app.mart_check_sample to curestry_worker, curestry_owner;
comment on function app.mart_check_sample is
  'Compares random days of random organizations with their source and records what it found. The worker runs it '
  'every night.';
