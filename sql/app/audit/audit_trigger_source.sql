/*
 * Generates the body of a table's audit trigger. It lists the columns that may be logged: to_jsonb of a row of those
 * costs a third less than jsonb_build_object with each name. The body depends only on the catalogue and on
 * app.audited_table; app.security_findings compares the deployed one with the one that would be generated now, so a
 * new column cannot be forgotten.
 *
 * Of secret columns a state has a keyed digest, "secrets". Of facts whose inserts are summarized, the log has the sum
 * of a hash of each row, in any order, which can be compared with that of the table. The hash is PostgreSQL's own, of
 * 64 bits, because recording must stay cheap: it finds a change, but not one that was computed to leave the sum as it
 * is. It is taken twice: that of a record is linear, so that values which changed places between two rows would leave
 * the sum. It covers all columns: a migration that adds one to such a table ends with app.audit_baseline_facts.
 */
create or replace function app.audit_trigger_source(audited app.audited_table) returns text
language plpgsql stable set search_path = '' as $$
declare
  v_into constant text :=
    E'insert into ops.audit_log\n      (actor_user_id, actor_api_key_id, request_id, organization_id, action, '
    'entity_type, entity_id';
  -- The query itself reads the settings, for each row. Variables would be parameters, for which the query is planned
  -- again and again; a join with a row that has them costs more.
  v_who constant text := $who$nullif(current_setting('curestry.user_id', true), '')::integer,
           nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           nullif(current_setting('curestry.request_id', true), '')$who$;
  v_nil constant text := quote_literal('00000000-0000-0000-0000-000000000000');
  v_organization_column constant text := quote_ident(audited.organization_column);
  v_new_owner constant text := coalesce('n.' || v_organization_column, v_nil || '::uuid');
  v_old_owner constant text := coalesce('o.' || v_organization_column, v_nil || '::uuid');
  v_new_entity constant text := format('%L, n.%I', audited.table_name, audited.id_column);
  v_old_entity constant text := format('%L, o.%I', audited.table_name, audited.id_column);
  v_same_row text := format('o.%1$I = n.%1$I', audited.id_column);
  v_new_state text;
  v_old_state text;
  v_new_digest text := '';
  v_old_digest text := '';
  v_changed text;
  v_differs text;
  v_insert text;
  v_update text;
  v_update_from text;
  v_removal_by_age text;
  v_delete text;
  v_truncate text;
begin
  if audited.organization_column <> audited.id_column then
    v_same_row := v_same_row || format(' and o.%1$I = n.%1$I', audited.organization_column);
  end if;
  if audited.secret_columns <> '{}' then
    v_new_digest := format(E',\n                           %s as secrets', app.audit_secret_source(audited, 'n'));
    v_old_digest := format(E',\n                           %s as secrets', app.audit_secret_source(audited, 'o'));
  end if;
  if audited.summarize_inserts then
    v_new_digest := v_new_digest || ', hashtextextended(hash_record_extended(n, 0)::text, 0)::text as digest';
    v_old_digest := v_old_digest || ', hashtextextended(hash_record_extended(o, 0)::text, 0)::text as digest';
  end if;
  select format('lateral (select %s%s) n_state', string_agg(format('n.%I', a.attname), ', ' order by a.attnum),
                v_new_digest),
         format('lateral (select %s%s) o_state', string_agg(format('o.%I', a.attname), ', ' order by a.attnum),
                v_old_digest)
    into v_new_state, v_old_state
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped
     and a.attname <> all (audited.secret_columns);
  select string_agg(format('case when n.%1$I is distinct from o.%1$I then %1$L end', a.attname),
                    E',\n                              ' order by a.attname),
         string_agg(format('n.%1$I is distinct from o.%1$I', a.attname), E'\n        or ' order by a.attnum)
           filter (where a.attname <> all (audited.note_columns))
    into v_changed, v_differs
    from pg_catalog.pg_attribute a
   where a.attrelid = audited.table_name::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

  if audited.summarize_inserts then
    v_insert := format($insert$
    select %s,
           n.organization_id, 'insert', %L,
           case when count(*) = 1 then min(n.%I::text) else count(*) || ' rows' end,
           jsonb_build_object('rows', count(*),
                              'digest', sum(hashtextextended(hash_record_extended(n, 0)::text, 0))::text)
      from new_rows n
     group by n.organization_id;$insert$, v_who, audited.table_name, audited.id_column);
    v_removal_by_age := format($delete$
    select %s,
           o.organization_id, 'delete', %L, count(*) || ' rows',
           jsonb_build_object('rows', count(*),
                              'digest', sum(hashtextextended(hash_record_extended(o, 0)::text, 0))::text)
      from old_rows o
     group by o.organization_id;$delete$, v_who, audited.table_name);
  else
    v_insert := format($insert$
    select %s,
           %s, 'insert', %s, to_jsonb(n_state)
      from new_rows n,
           %s;$insert$, v_who, v_new_owner, v_new_entity, v_new_state);
    v_removal_by_age := format($delete$
    select %s,
           %s, 'delete', %s, null::jsonb
      from old_rows o;$delete$, v_who, v_old_owner, v_old_entity);
  end if;
  v_update := format($update$
    select %s,
           %s, 'update', %s, to_jsonb(o_state), to_jsonb(n_state),
           array_remove(array[%s]::text[], null)$update$, v_who, v_new_owner, v_new_entity, v_changed);
  v_update_from := format($update$
      from new_rows n
      join old_rows o on %s,
           %s,
           %s
     where %s;$update$, v_same_row, v_old_state, v_new_state, v_differs);
  v_delete := format($delete$
    select %s,
           %s, 'delete', %s, to_jsonb(o_state)
      from old_rows o,
           %s;$delete$, v_who, v_old_owner, v_old_entity, v_old_state);
  v_truncate := format($truncate$
    select %s,
           %s, 'truncate', %L, '*';$truncate$, v_who, v_nil, audited.table_name);

  return concat(E'\nbegin',
    E'\n  if TG_OP = ''INSERT'' then',
    E'\n    ', v_into, ', after_state)', v_insert,
    E'\n  elsif TG_OP = ''UPDATE'' then',
    E'\n    ', v_into, E',\n       before_state, after_state, changed_columns)', v_update, v_update_from,
    E'\n  elsif TG_OP = ''DELETE'' and coalesce(current_setting(''curestry.retention'', true), '''') = ''on'' then',
    E'\n    -- removed by age: not to be kept here instead',
    E'\n    ', v_into, ', before_state)', v_removal_by_age,
    E'\n  elsif TG_OP = ''DELETE'' then',
    E'\n    ', v_into, ', before_state)', v_delete,
    E'\n  else -- truncate: no rows are given; the statement itself is the event',
    E'\n    ', v_into, ')', v_truncate,
    E'\n  end if;',
    E'\n  return null;',
    E'\nend;\n');
end;
$$;
revoke execute on function app.audit_trigger_source from public;
comment on function app.audit_trigger_source is
  'The body of the audit trigger of a table, as it would be generated now.';
