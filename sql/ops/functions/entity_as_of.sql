create or replace function ops.entity_as_of(type text, id text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_as_of.type);
  v_last ops.audit_log;
begin
  select a.* into v_last
    from app.audit_entity_entries(v_organization, v_table, entity_as_of.id) a
   where a.ts <= entity_as_of.at
   order by a.seq desc
   limit 1;
  return case
    when v_last.action in ('delete', 'truncate') then null
    when v_last.after_state is null and v_last.erasure_id is not null then
      jsonb_build_object('erased', v_last.erasure_id)
    else v_last.after_state - 'secrets'
  end;
end;
$$;
alter function ops.entity_as_of owner to curestry_definer;
revoke execute on function ops.entity_as_of from public;
grant execute on function ops.entity_as_of to curestry_member;
comment on function ops.entity_as_of is
  E'@arg type A type of the API (Prompt) or a table (core.prompts).\n'
  '@arg id The id of the row.\n'
  '@arg at When.\n'
  'The state of a row of this organization at a time, without secrets, by the names of its columns; null if it '
  'did not exist then, or the audit had not begun. type is a type of the API (Prompt) or a table (core.prompts). '
  'An erased state is {"erased": the erasure}. Needs audit:read.';
