/*
 * For retention: facts that are about to be deleted are processed first, and the marts then keep what they say of
 * them. Call it in the transaction that deletes; changes of the deleted facts, and of facts that come too late, no
 * longer have an effect.
 */
create or replace function app.mart_make_immutable(organization uuid, before timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_immutable_before timestamptz;
begin
  perform app.mart_refresh_organization(organization);
  if exists (select from app.mart_change m where m.organization_id = organization and m.hour < before) then
    return null;
  end if;
  select coalesce(s.time_zone, 'UTC'), coalesce(s.marts_immutable_before, '-infinity') into v_zone, v_immutable_before
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if v_zone is null then
    return null;
  end if;
  v_immutable_before := greatest(v_immutable_before, (select d.low from app.bucket_days(v_zone, array[before]) as d));
  insert into app.mart_state as s (organization_id, time_zone, marts_immutable_before)
  values (organization, v_zone, v_immutable_before)
  on conflict (organization_id) do update set marts_immutable_before = excluded.marts_immutable_before;
  return v_immutable_before;
end;
$$;
alter function app.mart_make_immutable owner to curestry_definer;
revoke execute on function app.mart_make_immutable from public;
grant execute on function app.mart_make_immutable to curestry_worker, curestry_owner;
comment on function app.mart_make_immutable is
  'Processes waiting changes and makes the marts of the days before this time immutable; returns the midnight before '
  'which they are: later facts must be kept. Null: not yet, call it again. For retention.';
