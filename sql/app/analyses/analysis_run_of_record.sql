create or replace function app.analysis_run_of_record(organization uuid, record jsonb, fields text[])
returns ops.analysis_run
language plpgsql stable security definer set search_path = '' as $$
declare
  v_field text;
  v_run ops.analysis_run;
begin
  if jsonb_typeof(record) is distinct from 'object' then
    perform app.refuse('CU004', 'is not an object');
  end if;
  select f into v_field from jsonb_object_keys(record) as f
   where f <> all (fields || '{analysisRunId,idempotencyKey,id,occurredAt}') limit 1;
  if found then
    perform app.refuse('CU004', format('%s: is no field of these; there are %s', v_field,
                                       array_to_string('{analysisRunId,idempotencyKey}' || fields, ', ')), v_field);
  end if;
  select r.* into v_run from ops.analysis_run r
   where r.organization_id = organization
     and case when record ->> 'analysisRunId' is not null then r.id = (record ->> 'analysisRunId')::uuid
              else r.idempotency_key = record ->> 'idempotencyKey' end;
  if not found then
    perform app.refuse('CU004', 'analysisRunId, or idempotencyKey, must name an analysis of this organization',
                       'analysisRunId');
  end if;
  return v_run;
end;
$$;
alter function app.analysis_run_of_record owner to curestry_definer;
revoke execute on function app.analysis_run_of_record from public;
comment on function app.analysis_run_of_record is
  'The analysis that a line of a file belongs to; refuses a line with other fields than these, and one that belongs to '
  'none.';
