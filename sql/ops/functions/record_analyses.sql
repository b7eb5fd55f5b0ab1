create or replace function ops.record_analyses(items ops.analysis_item[]) returns setof ops.record_outcome
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('analyses:write');
begin
  if coalesce(cardinality(items), 0) = 0 then
    perform app.refuse('CU004', 'items: at least one is required', 'items', 'record_analyses_items');
  end if;
  if cardinality(items) > 1000 then
    perform app.refuse('CU006',
      format('items: at most 1000 in one call, and these are %s; send them in batches', cardinality(items)),
      'items', 'record_analyses_items');
  end if;
  if array_position(items, null) is not null then
    perform app.refuse('CU004', 'items: null is not an item', 'items', 'record_analyses_items');
  end if;
  return query select * from unnest(app.analysis_record(v_organization, app.user_id(), items));
end;
$$;
alter function ops.record_analyses owner to curestry_definer;
revoke execute on function ops.record_analyses from public;
grant execute on function ops.record_analyses to curestry_member;
comment on function ops.record_analyses is
  E'@notNull\n'
  '@arg items At most 1000 analyses; each has an outcome of its own.\n'
  'Records analyses in one transaction: run, result document, metrics, node results and judge scores. Returns, '
  'in the order of the items, whether each was inserted, unchanged (its idempotencyKey is known with the same '
  'content), in conflict (known with another content) or invalid (with the reason). Needs analyses:write; at '
  'most 1000 items.';
