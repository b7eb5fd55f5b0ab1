create or replace function app.constraint_rule(
  schema_name text, table_name text, constraint_name text, out message text, out field text
)
language plpgsql stable security definer set search_path = '' as $$
declare
  v_named constant regclass := to_regclass(format('%I.%I', schema_name, table_name));
  -- A partition breaks the rules of its table, whose comments say what they are
  v_table constant regclass := coalesce(pg_catalog.pg_partition_root(v_named), v_named);
  v_index constant regclass := to_regclass(format('%I.%I', schema_name, constraint_name));
  v_columns text[];
  v_key text[];
  v_column text;
begin
  select coalesce(obj_description(c.oid, 'pg_constraint'), obj_description(c.conindid, 'pg_class'))
    into message
    from pg_catalog.pg_constraint c where c.conrelid = v_table and c.conname = constraint_name;
  message := coalesce(message, obj_description(v_index, 'pg_class'));
  select array_agg(a.attname order by length(a.attname) desc) into v_columns
    from pg_catalog.pg_attribute a where a.attrelid = v_table and a.attnum > 0 and not a.attisdropped;
  select array_agg(a.attname order by a.attnum) into v_key
    from pg_catalog.pg_attribute a
   where a.attrelid = v_table and a.attname <> 'organization_id'
     and a.attnum = any (coalesce(
       (select c.conkey from pg_catalog.pg_constraint c where c.conrelid = v_table and c.conname = constraint_name),
       (select i.indkey::smallint[] from pg_catalog.pg_index i where i.indexrelid = v_index)));
  -- Of several columns the one that the rule names first; else what it begins with, where the API has another name for
  -- the column; else the last
  field := app.api_name(coalesce(
    (select k.name from unnest(v_key) with ordinality as k (name, n)
      where message ~ ('\m' || k.name || '\M')
      order by length(split_part(regexp_replace(message, '\m' || k.name || '\M', e'\x01'), e'\x01', 1)) limit 1),
    substring(message from '^(?:\w+: )?(\w+) must '),
    v_key[cardinality(v_key)]));
  foreach v_column in array coalesce(v_columns, '{}') loop
    if v_column like '%\_%' then
      message := regexp_replace(message, '\m' || v_column || '\M', app.api_name(v_column), 'g');
    end if;
  end loop;
end;
$$;
alter function app.constraint_rule owner to curestry_definer;
revoke execute on function app.constraint_rule from public;
grant execute on function app.constraint_rule to curestry_gateway, curestry_member;
comment on function app.constraint_rule is
  'The rule of a constraint or unique index in plain words, which are its comment, and the field that it is about; '
  'columns as the API spells them.';
