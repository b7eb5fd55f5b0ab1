/* Reads every row of every table: for an erasure, which is rare, and whose operator wants to know what it did not touch. */
create or replace function app.mentions_of(needle text) returns table (table_name text, mentions bigint)
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
    execute format('select count(*) from %s t where position(lower($1) in lower(t::text)) > 0', v_table) into mentions using needle;
    if mentions > 0 then
      return next;
    end if;
  end loop;
end;
$$;
alter function app.mentions_of(text) owner to curestry_definer;
revoke execute on function app.mentions_of(text) from public;
grant execute on function app.mentions_of(text) to curestry_owner;
comment on function app.mentions_of(text) is
  'In how many rows of which tables a text stands: what somebody wrote about a person elsewhere is not known to their erasure. For operators.';
