create or replace function app.mart_immutable_spans(
  from_ts timestamptz, to_ts timestamptz, only_organization uuid default null)
returns table (organization text, before timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, s.marts_immutable_before
    from app.mart_state s
    join ops.organization o on o.id = s.organization_id
   where s.marts_immutable_before > from_ts and (only_organization is null or o.id = only_organization)
     -- Only those with rows in the span
     and exists (select from app.mart_extent(o.id, s.time_zone, from_ts, least(to_ts, s.marts_immutable_before)) e
                  where e.first is not null)
   order by 1;
$$;
alter function app.mart_immutable_spans owner to curestry_definer;
revoke execute on function app.mart_immutable_spans from public;
grant execute on function app.mart_immutable_spans to curestry_owner;
comment on function app.mart_immutable_spans is
  'Organizations whose facts of this span were removed by age, up to a time, so that its marts can be neither '
  'rebuilt nor checked. For operators.';
