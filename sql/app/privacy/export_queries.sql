/*
 * The tables come from the catalogue: every one with an organization, and for a person every one that references
 * users, their runs or their prompts; without the words of the search, which the prompts have. In the order of their
 * foreign keys, so that they can be imported one after the other.
 *
 * Of a person's acts in shared organizations, the log shows who, when and what, but not the states: these belong to
 * the organization, and may be about other persons.
 */
create or replace function app.export_queries(organization uuid, person integer)
returns table (table_name text, query text)
language sql stable set search_path = '' as $$
  with recursive tables as (
    select c.oid, n.nspname || '.' || c.relname as name,
           exists (select from pg_catalog.pg_attribute a
                    where a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped) as is_tenants
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname in ('app', 'core', 'ops', 'mart')
     where c.relkind in ('r', 'p') and not c.relispartition and c.oid <> 'app.prompt_search'::regclass
  ), reference as (
    select k.conrelid as oid, k.confrelid as target, a.attname as column_name
      from pg_catalog.pg_constraint k
      join tables t on t.oid = k.conrelid
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[cardinality(k.conkey)]
     where k.contype = 'f' and k.conparentid = 0
  ), depth (oid, depth) as (
    select t.oid, 0 from tables t
    union
    select r.oid, d.depth + 1 from depth d join reference r on r.target = d.oid and r.oid <> d.oid where d.depth < 20
  ), condition (oid, condition) as (
    select t.oid, format('t.organization_id = %L', organization)
      from tables t where t.is_tenants and organization is not null
    union all
    select 'ops.organization'::regclass, format('t.id = %L', organization) where organization is not null
    union all
    select 'core.users'::regclass, case when person is null
             then format('t.id in (select m.user_id from ops.organization_user m where m.organization_id = %L)',
                         organization)
             else format('t.id = %L', person) end
    union all
    select r.oid, format('t.%I = %L', r.column_name, person)
      from reference r where person is not null and r.target = 'core.users'::regclass
    union all
    select 'ops.organization'::regclass,
           format('t.id in (select m.organization_id from ops.organization_user m where m.user_id = %L)', person)
     where person is not null
    union all
    select 'core.prompts'::regclass,
           format('exists (select from core.prompt_versions v where v.organization_id = t.organization_id '
             'and v.prompt_id = t.id and v.version = 1 and v.user_id = %L)', person)
     where person is not null
    union all
    select r.oid, format('exists (select from ops.analysis_run r where r.organization_id = t.organization_id '
                         'and r.id = t.%I and r.user_id = %L)',
                         r.column_name, person)
      from reference r where person is not null and r.target = 'ops.analysis_run'::regclass
    union all
    select 'ops.audit_log'::regclass, format('t.actor_user_id = %L', person) where person is not null
    union all
    select 'ops.audit_log'::regclass, o.theirs from own_entry o where person is not null
  ), own_entry (theirs) as (
    select string_agg(format('t.entity_type = %L and coalesce(t.after_state, t.before_state) ->> %L = %L',
                             p.table_name, p.person_column, person::text), ' or ')
      from app.personal_data p where p.table_name not like 'app.%'
  )
  select t.name,
         format('select %s as row from %s t where %s order by %s',
                case when person is not null and t.oid = 'ops.audit_log'::regclass
                 then format('case when t.organization_id is not distinct from %L or %s then to_jsonb(t) '
                             'else to_jsonb(t) - ''{before_state,after_state}''::text[] end',
                              organization, (select o.theirs from own_entry o))
                  else format('to_jsonb(t) - %L::text[]', coalesce(a.secret_columns, '{}')) end,
                t.oid::regclass, string_agg('(' || c.condition || ')', ' or '),
                coalesce((select string_agg(format('t.%I', k.attname), ', '
                                            order by array_position(i.indkey::smallint[], k.attnum))
                            from pg_catalog.pg_index i
                            join pg_catalog.pg_attribute k
                              on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
                           where i.indrelid = t.oid and i.indisprimary), '1'))
    from tables t
    join condition c on c.oid = t.oid
    left join app.audited_table a on a.table_name = t.name
   group by t.oid, t.name, a.secret_columns
   order by (select max(d.depth) from depth d where d.oid = t.oid), t.name;
$$;
revoke execute on function app.export_queries from public;
comment on function app.export_queries is
  'What an export of an organization, or of a user and their personal organization, reads: a query for each table, '
  'in dependency order, without secrets. For operators, whose rights the queries have.';
