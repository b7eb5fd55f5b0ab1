/* Comments that follow from the definition, so that the file of a table says only what is its own. */
create or replace function app.table_usual_comments(commented regclass) returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_item record;
begin
  for v_item in
    select a.attname as name, s.sentence
      from pg_catalog.pg_attribute a
      join (values
        ('id', 'Identifies the row; unique across organizations.'),
        ('organization_id', 'The organization that the row belongs to; given by the request, never by the caller.'),
        ('created_at', 'When the row was written.'),
        ('updated_at', 'When the row was last changed.')) as s (name, sentence) on s.name = a.attname
     where a.attrelid = commented and not a.attisdropped
  loop
    execute format('comment on column %s.%I is %L', commented, v_item.name, v_item.sentence);
  end loop;
  for v_item in
    select c.conname as name,
           case when c.contype = 'p' then 'One row per organization and id.'
                when c.confrelid = 'ops.organization'::regclass then 'The organization must exist.'
                else 'The user must exist.' end as sentence
      from pg_catalog.pg_constraint c
     where c.conrelid = commented
       and (c.contype = 'p' and pg_catalog.pg_get_constraintdef(c.oid) = 'PRIMARY KEY (organization_id, id)'
            or c.contype = 'f' and cardinality(c.conkey) = 1
               and c.confrelid in ('ops.organization'::regclass, 'core.users'::regclass))
  loop
    execute format('comment on constraint %I on %s is %L', v_item.name, commented, v_item.sentence);
  end loop;
end;
$$;
revoke execute on function app.table_usual_comments from public;
comment on function app.table_usual_comments is
  'Comments what is the same in every table: id, organization, times, primary key, foreign keys to organizations and '
  'users. Called first in the file of each table, whose own comments then replace these where there is more to say.';
