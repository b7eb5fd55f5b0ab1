create or replace function app.constraint_message(schema_name text, table_name text, constraint_name text) returns text
language sql stable security definer set search_path = '' as $$
  select coalesce(
    (select pg_catalog.obj_description(c.oid, 'pg_constraint')
       from pg_catalog.pg_constraint c
      where c.conrelid = to_regclass(format('%I.%I', schema_name, table_name)) and c.conname = constraint_name),
    (select pg_catalog.obj_description(to_regclass(format('%I.%I', schema_name, constraint_name)), 'pg_class')));
$$;
alter function app.constraint_message owner to curestry_definer;
revoke execute on function app.constraint_message from public;
grant execute on function app.constraint_message to curestry_gateway, curestry_member;
comment on function app.constraint_message is
  'The rule of a constraint or unique index in plain words: its comment.';
