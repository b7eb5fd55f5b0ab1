comment on type ops.feature_event_item is 'Uses of a feature.';
comment on column ops.feature_event_item.feature_key is 'Which feature.';
comment on column ops.feature_event_item.occurred_at is 'When; now if absent.';
comment on column ops.feature_event_item.count is 'How many times; once if absent.';
grant usage on type ops.feature_event_item to curestry_member, curestry_definer;
