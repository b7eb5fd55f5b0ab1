/*
 * For retention: what is about to be deleted is taken up first, and then stays as it is in the marts. Call it in the
 * transaction that deletes; marks of what is deleted, and of what comes too late, change nothing any more.
 */
create or replace function app.freeze_marts(organization uuid, before timestamptz) returns timestamptz
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_zone text;
  v_frozen timestamptz;
begin
  perform app.refresh_organization(organization);
  select coalesce(s.time_zone, 'UTC'), coalesce(s.frozen_before, '-infinity') into v_zone, v_frozen
    from ops.organization o
    left join app.mart_state s on s.organization_id = o.id
   where o.id = organization;
  if v_zone is null then
    return null;
  end if;
  v_frozen := greatest(v_frozen, (select d.low from app.mart_days(v_zone, array[before]) as d));
  insert into app.mart_state as s (organization_id, time_zone, frozen_before) values (organization, v_zone, v_frozen)
  on conflict (organization_id) do update set frozen_before = excluded.frozen_before;
  return v_frozen;
end;
$$;
alter function app.freeze_marts(uuid, timestamptz) owner to curestry_definer;
revoke execute on function app.freeze_marts(uuid, timestamptz) from public;
grant execute on function app.freeze_marts(uuid, timestamptz) to curestry_worker, curestry_owner;
comment on function app.freeze_marts(uuid, timestamptz) is
  'Takes up what is waiting, and keeps what the marts say of the days before this time, whatever becomes of the facts; answers the midnight before which it is so: facts from then on must stay. For retention.';
