create or replace function app.frozen_marts(from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization text, before timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, s.frozen_before
    from app.mart_state s
    join ops.organization o on o.id = s.organization_id
   where s.frozen_before > from_ts and (only_organization is null or o.id = only_organization)
     -- Only those that have something there
     and exists (select from app.mart_extent(o.id, s.time_zone, from_ts, least(to_ts, s.frozen_before)) e where e.first is not null)
   order by 1;
$$;
alter function app.frozen_marts(timestamptz, timestamptz, uuid) owner to curestry_definer;
revoke execute on function app.frozen_marts(timestamptz, timestamptz, uuid) from public;
grant execute on function app.frozen_marts(timestamptz, timestamptz, uuid) to curestry_owner;
comment on function app.frozen_marts(timestamptz, timestamptz, uuid) is
  'Organizations of which in this span, up to a time, only the marts are left: their source was removed by age, so they can be neither rebuilt nor checked. For operators.';
