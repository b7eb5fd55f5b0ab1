/*
 * Writes the audit log, once per statement. Arguments: the table's own name (not TG_TABLE_NAME, which on a distributed
 * table is the shard's), the column with the organization (empty: rows of no organization), the column that identifies a
 * row, and the secret columns that are left out.
 *
 * Rows that belong to no organization (users, sessions, accounts) stand under the nil organization.
 */
create or replace function app.tg__audit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_entity constant text := TG_ARGV[0];
  v_organization_column constant text := TG_ARGV[1];
  v_id_column constant text := TG_ARGV[2];
  v_secrets constant text[] := string_to_array(TG_ARGV[3], ',');
  v_user constant integer := nullif(current_setting('curestry.user_id', true), '')::integer;
  v_key constant uuid := nullif(current_setting('curestry.api_key_id', true), '')::uuid;
  v_request constant text := nullif(current_setting('curestry.request_id', true), '');
  v_nil constant uuid := '00000000-0000-0000-0000-000000000000';
begin
  if TG_OP = 'INSERT' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, after_state)
    select v_user, v_key, v_request, coalesce((j ->> v_organization_column)::uuid, v_nil), 'insert', v_entity, j ->> v_id_column, j - v_secrets
      from (select to_jsonb(n) as j from new_rows n) s;

  elsif TG_OP = 'UPDATE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id,
                               before_state, after_state, changed_columns)
    select v_user, v_key, v_request, coalesce((n.j ->> v_organization_column)::uuid, v_nil), 'update', v_entity, n.j ->> v_id_column,
           o.j - v_secrets, n.j - v_secrets,
           array(select key from jsonb_each(n.j) where value is distinct from o.j -> key order by key)
      from (select to_jsonb(r) as j from new_rows r) n
      join (select to_jsonb(r) as j from old_rows r) o
        on o.j ->> v_id_column = n.j ->> v_id_column
       and o.j ->> v_organization_column is not distinct from n.j ->> v_organization_column
     -- That a key was used is a note, not a change.
     where o.j - 'last_used_at' <> n.j - 'last_used_at';

  elsif TG_OP = 'DELETE' then
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id, before_state)
    select v_user, v_key, v_request, coalesce((j ->> v_organization_column)::uuid, v_nil), 'delete', v_entity, j ->> v_id_column, j - v_secrets
      from (select to_jsonb(o) as j from old_rows o) s;

  else -- truncate: no rows are given; the statement itself is the event
    insert into ops.audit_log (actor_user_id, actor_api_key_id, request_id, organization_id, action, entity_type, entity_id)
    values (v_user, v_key, v_request, v_nil, 'truncate', v_entity, '*');
  end if;
  return null;
end;
$$;
alter function app.tg__audit() owner to curestry_definer;
revoke execute on function app.tg__audit() from public;
comment on function app.tg__audit() is 'Trigger: records each insert, update, delete and truncate in ops.audit_log, without secret columns.';
