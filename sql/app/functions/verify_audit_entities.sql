/*
 * The tables against the log: the current row of every audited entity equals its last after_state, and what was deleted is
 * not there. So a change is found that was made while a trigger was disabled. Of facts whose inserts are summarized, the
 * number is compared.
 */
create or replace function app.verify_audit_entities()
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
    v_left_out := v_table.secret_columns || v_table.note_columns;
    -- A column that came later is null in rows that were not changed since.
    select jsonb_object_agg(a.attname, null) into v_blank
      from pg_catalog.pg_attribute a
     where a.attrelid = v_of and a.attnum > 0 and not a.attisdropped and a.attname <> all (v_left_out);
    -- What was there before a truncate is gone, and the log says so
    select coalesce(max(a.seq), 0) into v_truncated
      from ops.audit_log a
     where a.organization_id = '00000000-0000-0000-0000-000000000000' and a.entity_type = v_table.table_name and a.action = 'truncate';
    return query execute format($query$
      with last as (
        select distinct on (a.organization_id, a.entity_id) a.organization_id, a.entity_id, a.action, a.seq, %8$L::jsonb || a.after_state as after_state
          from ops.audit_log a
         where a.entity_type = %1$L and a.action in ('baseline', 'insert', 'update', 'delete') and a.seq > %9$L
         -- Who changes a row holds it: the order of its changes is that of seq, also between transactions
         order by a.organization_id, a.entity_id, a.seq desc
      ), present as (
        select (case when %7$L then t.%2$I::text else '00000000-0000-0000-0000-000000000000' end)::uuid as organization_id,
               t.%3$I::text as entity_id, to_jsonb(t) - %4$L::text[] as state
          from %5$s t
      )
      select coalesce(p.organization_id, l.organization_id),
             case when p.entity_id is null then 'removed past the log'
                  when l.entity_id is null then 'added past the log'
                  when l.action = 'delete' then 'back although deleted'
                  else 'changed past the log' end,
             %1$L, coalesce(p.entity_id, l.entity_id),
             case when l.action <> 'delete' then
               (select string_agg(k, ', ' order by k) from jsonb_object_keys(p.state) as k where p.state -> k is distinct from l.after_state -> k) end
        from present p
        full join last l on l.organization_id = p.organization_id and l.entity_id = p.entity_id
       where case
               when p.entity_id is null
               then l.action <> 'delete' and not (%6$L and l.after_state ? 'rows')
                    -- Facts that were removed by age are counted, not named
                    and not (%6$L and exists (select from ops.audit_log a
                                               where a.organization_id = l.organization_id and a.entity_type = %1$L and a.action = 'delete'
                                                 and a.before_state ? 'rows' and a.seq > l.seq))
               when l.entity_id is null then not %6$L
               when l.action = 'delete' then true
               else p.state is distinct from l.after_state - %4$L::text[] and not (%6$L and l.after_state ? 'rows')
             end
    $query$, v_table.table_name, coalesce(v_table.organization_column, v_table.id_column), v_table.id_column, v_left_out, v_of,
      v_table.summarize_inserts, v_table.organization_column is not null, v_blank, v_truncated);
    if v_table.summarize_inserts then
      return query execute format($query$
        select coalesce(p.organization_id, l.organization_id), 'number differs from the log', %2$L, null::text,
               coalesce(p.n, 0) || ' rows, and by the log ' || coalesce(l.n, 0)
          from (select t.organization_id, count(*) as n from %1$s t group by 1) p
          full join (select a.organization_id,
                            sum(case a.action when 'insert' then (a.after_state ->> 'rows')::bigint when 'baseline' then coalesce((a.after_state ->> 'rows')::bigint, 1) when 'delete' then -coalesce((a.before_state ->> 'rows')::bigint, 1) else 0 end) as n
                       from ops.audit_log a where a.entity_type = %2$L and a.seq > %3$L group by 1) l
            on l.organization_id = p.organization_id
         where coalesce(p.n, 0) <> coalesce(l.n, 0)
      $query$, v_of, v_table.table_name, v_truncated);
    end if;
  end loop;
end;
$$;
alter function app.verify_audit_entities() owner to curestry_definer;
revoke execute on function app.verify_audit_entities() from public;
grant execute on function app.verify_audit_entities() to curestry_owner;
comment on function app.verify_audit_entities() is
  'Compares every audited row with what the audit log says of it last. For operators.';
