/* Reads every row of every table, which is slow; erasures are rare, and the operator wants to know what is left. */
create or replace function app.erasure_mentions(needles text[])
returns table (table_name text, column_name text, mentions bigint)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_table regclass;
  -- A name of one or two letters is in everything.
  v_needles constant text[] := array(select lower(n) from unnest(needles) as n where char_length(btrim(n)) >= 3);
begin
  for v_table, table_name in
    select c.oid, n.nspname || '.' || c.relname
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition and has_table_privilege(c.oid, 'select')
     order by 2
  loop
    for column_name, mentions in
      execute format($query$
        select c.key, count(*)
          from %s t, lateral jsonb_each_text(to_jsonb(t)) as c
         where exists (select from unnest($1) as n where position(n in lower(c.value)) > 0)
         group by c.key
         order by c.key
      $query$, v_table) using v_needles
    loop
      return next;
    end loop;
  end loop;
end;
$$;
alter function app.erasure_mentions owner to curestry_definer;
revoke execute on function app.erasure_mentions from public;
grant execute on function app.erasure_mentions to curestry_owner;
comment on function app.erasure_mentions is
  'In how many rows of which columns one of these texts is: an erasure does not know what others wrote about a person. '
  'For operators.';
