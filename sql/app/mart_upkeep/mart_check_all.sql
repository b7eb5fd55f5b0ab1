create or replace function app.mart_check_all(
  from_ts timestamptz default '-infinity', to_ts timestamptz default 'infinity', only_organization uuid default null)
returns table (organization text, mart text, bucket text, key text, expected jsonb, actual jsonb, waiting boolean)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization record;
  v_day record;
  v_from timestamptz;
begin
  for v_organization in
    select o.id, o.slug, coalesce(s.time_zone, 'UTC') as zone,
           coalesce(s.marts_immutable_before, '-infinity') as immutable_before
      from ops.organization o
      left join app.mart_state s on s.organization_id = o.id
     where only_organization is null or o.id = only_organization
     order by o.slug
  loop
    v_from := greatest(from_ts, v_organization.immutable_before);
    loop
      select * into v_day from app.mart_next_day(v_organization.id, v_organization.zone, v_from, to_ts);
      exit when not found;
      return query
        select v_organization.slug::text, c.mart, c.bucket, c.key, c.expected, c.actual, c.waiting
          from app.mart_compare_day(v_organization.id, v_organization.zone, v_day.day, v_day.low, v_day.high) as c;
      v_from := v_day.high;
    end loop;
  end loop;
end;
$$;
alter function app.mart_check_all owner to curestry_definer;
revoke execute on function app.mart_check_all from public;
grant execute on function app.mart_check_all to curestry_owner;
comment on function app.mart_check_all is
  'Recomputes the marts of a span of days from their source, of one or all organizations, and lists every '
  'difference; there should be none. For operators.';
