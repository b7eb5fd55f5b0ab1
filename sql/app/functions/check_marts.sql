create or replace function app.check_marts(from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity', only_organization uuid default null)
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization record;
  v_day record;
  v_from timestamptz;
begin
  for v_organization in
    select o.id, o.slug, coalesce(s.time_zone, 'UTC') as zone, coalesce(s.frozen_before, '-infinity') as frozen
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id
     where only_organization is null or o.id = only_organization
     order by o.slug
  loop
    v_from := greatest(from_ts, v_organization.frozen);
    loop
      select * into v_day from app.next_mart_day(v_organization.id, v_organization.zone, v_from, to_ts);
      exit when not found;
      return query
        select v_organization.slug::text, c.mart, c.bucket, c.key, c.expected, c.actual, c.waiting
          from app.compare_mart_day(v_organization.id, v_organization.zone, v_day.day, v_day.low, v_day.high) as c;
      v_from := v_day.high;
    end loop;
  end loop;
end;
$$;
alter function app.check_marts(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.check_marts(timestamptz, timestamptz, uuid) from public;
grant execute on function app.check_marts(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.check_marts(timestamptz, timestamptz, uuid) is
  'Recomputes the marts of a span of days from their source, of one organization or of all, and lists every difference; none is what it should say. For operators.';
