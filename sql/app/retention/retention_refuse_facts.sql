create or replace function app.retention_refuse_facts(field text, organization uuid, earliest timestamptz) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_immutable_before timestamptz;
begin
  select s.facts_immutable_before into v_immutable_before from app.mart_state s where s.organization_id = organization;
  if earliest < v_immutable_before then
    perform app.refuse('CU004', app.retention_refusal(field, v_immutable_before), field, 'raw_retention');
  end if;
end;
$$;
revoke execute on function app.retention_refuse_facts from public;
grant execute on function app.retention_refuse_facts to curestry_definer;
comment on function app.retention_refuse_facts is
  'Refuses facts of a time that the organization no longer keeps: the marts could not count them.';
