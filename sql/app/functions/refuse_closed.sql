create or replace function app.refuse_closed(field text, organization uuid, earliest timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_closing timestamptz;
begin
  select s.closing_before into v_closing from app.mart_state s where s.organization_id = organization;
  if earliest < v_closing then
    perform app.refuse('CU004', format('%s: lies before %s; this organization does not keep what is older (raw_retention_days)', field, v_closing),
                       field, 'raw_retention');
  end if;
end;
$$;
revoke execute on function app.refuse_closed(text, uuid, timestamptz) from public;
grant execute on function app.refuse_closed(text, uuid, timestamptz) to curestry_definer;
comment on function app.refuse_closed(text, uuid, timestamptz) is
  'Refuses facts of a time that the organization does not keep any more: they could not be counted.';
