/*
 * Writes the body of a table's audit trigger, with the columns spelled out that may be seen: to_jsonb of a row of those costs
 * a third less than jsonb_build_object with each name. The body is a function of the catalogue and of app.audited_table;
 * app.security_findings compares the one that is deployed with the one that would be made now, so a new column cannot be
 * forgotten.
 */
create or replace function app.audit_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_state text;
  v_changed text;
  v_differs text;
  v_organization constant text := coalesce('%1$s.' || quote_ident(audited.organization_column), '''00000000-0000-0000-0000-000000000000''::uuid');
  -- Part of the query, and not variables: these would be parameters, for which it is planned again and again. For each row,
  -- which costs less than a join with a row that has them.
  v_who constant text := $who$nullif(current_setting('curestry.user_id', true), '')::integer,
           nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           nullif(current_setting('curestry.request_id', true), '')$who$;
begin
  select 'lateral (select ' || string_agg(format('%%1$s.%I', a.attname), ', ' order by a.attnum) || ') %1$s_state'
    into v_state
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (audited.secret_columns);
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname), ', ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), ' or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  return format($body$
begin
  if TG_OP = 'INSERT' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
    %1$s;
  elsif TG_OP = 'UPDATE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id,
                               before_state, after_state, changed_columns)
    select %12$s, %2$s, 'update', %3$L, n.%4$I, to_jsonb(o_state), to_jsonb(n_state),
           array_remove(array[%7$s]::text[], null)
      from new_rows n
      join old_rows o on o.%4$I = n.%4$I%8$s,
           %5$s,
           %6$s
     where %9$s;
  elsif TG_OP = 'DELETE' and coalesce(current_setting('curestry.retention', true), '') = 'on' then -- removed by age: not to be kept here instead
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    %11$s;
  elsif TG_OP = 'DELETE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    select %12$s, %10$s, 'delete', %3$L, o.%4$I, to_jsonb(o_state)
      from old_rows o,
           %5$s;
  else -- truncate: no rows are given; the statement itself is the event
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id)
    select %12$s, '00000000-0000-0000-0000-000000000000', 'truncate', %3$L, '*';
  end if;
  return null;
end;
$body$,
    case
      when audited.summarize_inserts then format(
        'select %3$s, n.organization_id, ''insert'', %1$L,'
        || E'\n           case when count(*) = 1 then min(n.%2$I::text) else count(*) || '' rows'' end, jsonb_build_object(''rows'', count(*))'
        || E'\n      from new_rows n\n     group by n.organization_id',
        audited.table_name, audited.id_column, v_who)
      else format(E'select %s, %s, ''insert'', %L, n.%I, to_jsonb(n_state)\n      from new_rows n,\n           %s',
                  v_who, format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'n'))
    end,
    format(v_organization, 'n'), audited.table_name, audited.id_column, format(v_state, 'o'), format(v_state, 'n'), v_changed,
    case when audited.organization_column <> audited.id_column
         then format(' and o.%1$I = n.%1$I', audited.organization_column) else '' end,
    v_differs, format(v_organization, 'o'),
    case
      when audited.summarize_inserts then format(
        'select %s, o.organization_id, ''delete'', %L, count(*) || '' rows'', jsonb_build_object(''rows'', count(*))'
        || E'\n      from old_rows o\n     group by o.organization_id', v_who, audited.table_name)
      else format(E'select %s, %s, ''delete'', %L, o.%I, null::jsonb\n      from old_rows o',
                  v_who, format(v_organization, 'o'), audited.table_name, audited.id_column)
    end, v_who);
end;
$$;
revoke execute on function app.audit_source(app.audited_table) from public;
comment on function app.audit_source(app.audited_table) is 'The body of the audit trigger of a table, as it would be made now.';
