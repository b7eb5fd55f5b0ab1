/* Reads every row of every table, which is slow; erasures are rare, and the operator wants to know what is left. */
create or replace function app.erasure_mentions(needle text) returns table (table_name text, mentions bigint)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table regclass;
begin
  for v_table, table_name in
    select c.oid, n.nspname || '.' || c.relname
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'select')
     order by 2
  loop
    execute format('select count(*) from %s t where position(lower($1) in lower(t::text)) > 0', v_table)
       into mentions using needle;
    if mentions > 0 then
      return next;
    end if;
  end loop;
end;
$$;
alter function app.erasure_mentions owner to curestry_definer;
revoke execute on function app.erasure_mentions from public;
grant execute on function app.erasure_mentions to curestry_owner;
comment on function app.erasure_mentions is
  'How many rows of which tables contain a text: an erasure does not know what others wrote about a person. For '
  'operators.';
