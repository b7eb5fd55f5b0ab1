create or replace function app.analysis_import_as_member(lines jsonb)
returns table (line integer, outcome text, id text, reason text)
language plpgsql volatile security definer set search_path = '' as $$
begin
  return query
    select i.line, i.outcome, i.analysis_run_id::text, i.reason
      from app.analysis_import(app.require('analyses:write'), lines) i;
end;
$$;
alter function app.analysis_import_as_member owner to curestry_definer;
revoke execute on function app.analysis_import_as_member from public;
grant execute on function app.analysis_import_as_member to curestry_member;
comment on function app.analysis_import_as_member is
  'Imports analyses into the organization of the request, line by line. Needs analyses:write.';
