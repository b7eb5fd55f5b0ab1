/*
 * Compares the tables with the log: the current row of every audited entity equals its last after_state, its secret
 * columns by their digest, and deleted rows do not exist. This finds changes that were made while a trigger was
 * disabled. For facts whose inserts are summarized, the numbers and the sums of digests are compared, for each
 * organization; where they differ, those of each transaction say which one recorded the row, if they can.
 */
create or replace function app.audit_verify_entities()
returns table (organization_id uuid, problem text, entity_type text, entity_id text, detail text)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table app.audited_table;
  v_of regclass;
  v_left_out text[];
  v_blank jsonb;
  v_truncated bigint;
begin
  for v_table in select * from app.audited_table order by table_name loop
    v_of := v_table.table_name;
    -- The digests of facts are compared by their sum
    v_left_out := v_table.secret_columns || v_table.note_columns
                  || case when v_table.summarize_inserts then array['digest'] else '{}'::text[] end;
    -- A column that was added later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- Rows before a truncate no longer exist, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name
       and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id)
               a.organization_id, a.entity_id, a.action, a.seq, $4 || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = $1 and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > $5
         -- Changing a row locks it: its changes are in the order of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when $6 then t.%I::text else '00000000-0000-0000-0000-000000000000' end)::uuid
                 as organization_id, t.%I::text as entity_id, (to_jsonb(t) || %s) - $2 as state
          from %s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             $1, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k
                 where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not ($3 and l.after_state ? 'rows')
                    -- Facts removed by age are logged as a number only
                    and not ($3 and exists (select from ops.audit_log a
                                             where a.organization_id = l.organization_id and a.entity_type = $1
                                               and a.action = 'delete' and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not $3
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - $2 and not ($3 and l.after_state ? 'rows')
             end
    $query$, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column,
             app.audit_digest_source(v_table, 't'), v_of)
      using v_table.table_name, v_left_out, v_table.summarize_inserts, v_blank, v_truncated,
            v_table.organization_column is not null;
    if v_table.summarize_inserts then
      return query execute format($query$
        with present as (
          select t.organization_id, count(*) as rows,
                 sum(hashtextextended(hash_record_extended(t, 0)::text, 0)) as digest
            from %1$s t
           group by 1
        )
        select coalesce(p.organization_id, l.organization_id),
               case when coalesce(p.rows, 0) <> coalesce(l.rows, 0) then 'number differs from the log'
                    else 'changed past the log' end,
               %2$L, null::text,
               case when coalesce(p.rows, 0) <> coalesce(l.rows, 0)
                    then format('%%s rows, and by the log %%s', coalesce(p.rows, 0), coalesce(l.rows, 0))
                    else 'as many rows as the log says, and at least one of them is another one'
                         || coalesce(': see those recorded at ' || app.audit_differing_facts(%2$L, p.organization_id),
                                     '') end
          from present p
          full join app.audit_fact_sums(%2$L) l on l.organization_id = p.organization_id
         where coalesce(p.rows, 0) <> coalesce(l.rows, 0)
            -- An erasure takes the digests of what it removed out of the log
            or p.digest is distinct from l.digest and coalesce(p.rows, 0) > 0
      $query$, v_of, v_table.table_name);
    end if;
  end loop;
end;
$$;
alter function app.audit_verify_entities owner to curestry_definer;
revoke execute on function app.audit_verify_entities from public;
grant execute on function app.audit_verify_entities to curestry_owner;
comment on function app.audit_verify_entities is
  'Compares every audited row with its last entry in the audit log. For operators.';
