/*
 * One comparison with the request's organization, which becomes the index condition: see sql/README.md. Only
 * policies: the file of the table grants what a member may do, column by column.
 */
create or replace function app.table_policies_for_members(
  guarded regclass, to_read text, to_write text default null, writes text[] default '{insert,update,delete}'
) returns void
language plpgsql volatile set search_path = '' set client_min_messages = warning as $$
declare
  v_command text;
  v_permission text;
begin
  foreach v_command in array array['select'] || case when to_write is not null then writes end loop
    v_permission := case v_command when 'select' then to_read else to_write end;
    execute format('drop policy if exists %I on %s', v_command || '_own', guarded);
    execute format('create policy %I on %s for %s to curestry_member ', v_command || '_own', guarded, v_command)
            || format(case v_command when 'insert' then 'with check' else 'using' end
                      || ' (organization_id = app.organization_if(%L))', v_permission);
    execute format('comment on policy %I on %s is %L', v_command || '_own', guarded,
      case v_command when 'select' then 'Members read the rows of their request''s organization, with '
                     when 'insert' then 'Members write to their request''s organization, with '
                     when 'update' then 'Members change the rows of their request''s organization, with '
                     when 'delete' then 'Members delete the rows of their request''s organization, with ' end
      || v_permission || '.');
  end loop;
end;
$$;
revoke execute on function app.table_policies_for_members from public;
comment on function app.table_policies_for_members is
  'Creates the policies of members on a table with an organization_id: which permission it takes to read the rows of '
  'the request''s organization, and which to write them. Called in the file of each such table.';
