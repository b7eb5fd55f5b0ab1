create or replace function ops.record_feature_events(events ops.feature_event_item[]) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('features:write');
  v_count integer;
begin
  if coalesce(cardinality(events), 0) not between 1 and 10000 then
    perform app.refuse('CU006', 'events: from 1 to 10000 in one call', 'events', 'record_feature_events_events');
  end if;
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select v_organization, app.user_id(), e.feature_key, coalesce(e.occurred_at, now()), coalesce(e.count, 1)
    from unnest(events) as e;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function ops.record_feature_events owner to curestry_definer;
revoke execute on function ops.record_feature_events from public;
grant execute on function ops.record_feature_events to curestry_member;
comment on function ops.record_feature_events is
  E'@notNull\n'
  '@arg events At most 10000 events.\n'
  'Records uses of features, all or nothing; returns how many rows were written. Needs features:write.';
