create or replace function ops.entity_history(type text, id text) returns setof ops.entity_change
language plpgsql stable security definer set search_path = '' rows 20 as $$
declare
  v_organization constant uuid := app.require('audit:read');
  v_table constant text := app.audit_entity_table(entity_history.type);
  -- Only a request that may read members sees more of a person than the id.
  v_visible constant integer[] := app.member_visible_user_ids();
begin
  return query
    select a.ts, a.action::text, a.actor_user_id, u.email::text, a.actor_api_key_id, k.name::text, a.actor_role::text,
           a.request_id::text,
           c.changes, a.erasure_id,
           case when a.action = 'baseline' then 'It was there when this log begins' else
             coalesce(u.email || coalesce(' (API key "' || k.name || '")', ''),
                      'the API key "' || k.name || '"', 'user ' || a.actor_user_id,
                      'the login ' || a.actor_role)
             || case a.action
                  when 'insert' then ' created it'
                  when 'delete' then ' removed it'
                  when 'truncate' then ' removed all rows of ' || v_table
                  when 'update' then
                    case when v_table = 'ops.organization_user' and a.before_state ->> 'status' = 'invited'
                              and a.after_state ->> 'status' = 'active'
                         then ' accepted the invitation: ' else ' changed ' end
                    || coalesce(s.columns, 'nothing')
                end end
           || case when a.erasure_id is null then '' else ' (the values were erased)' end
      from app.audit_entity_entries(v_organization, v_table, entity_history.id) a
      left join core.users u on u.id = a.actor_user_id and u.id = any (v_visible)
      left join ops.api_key k on k.organization_id = v_organization and k.id = a.actor_api_key_id
      left join lateral (
        select array_agg(row(n.name, a.before_state -> n.name, a.after_state -> n.name)::ops.column_change
                         order by n.name) as changes
          from (select w.name from unnest(a.changed_columns) as w (name) where w.name <> 'updated_at'
                union
                select j.key from jsonb_each(coalesce(a.after_state, a.before_state)) j
                 where a.action <> 'update' and j.value <> 'null' and j.key <> 'secrets') n) c on true
      left join lateral (
        select case count(*) when 1 then min(w.words)
               else array_to_string((array_agg(w.words order by w.name))[:count(*)::integer - 1], ', ')
                    || ' and ' || (array_agg(w.words order by w.name desc))[1] end as columns
          from (select c.name, app.audit_change_in_words(
                                 c.name, a.before_state -> c.name, a.after_state -> c.name) as words
                  from unnest(a.changed_columns) as c (name)
                 where c.name <> 'updated_at') w
        having count(*) > 0) s on true
     order by a.seq desc;
end;
$$;
alter function ops.entity_history owner to curestry_definer;
revoke execute on function ops.entity_history from public;
grant execute on function ops.entity_history to curestry_member;
comment on function ops.entity_history is
  E'@arg type A type of the API (Prompt) or a table (core.prompts).\n'
  '@arg id The id of the row.\n'
  'Who changed a row of this organization, what and when, newest first. type is a type of the API (Prompt) or a '
  'table (core.prompts). Empty for an id that the organization never had. Needs audit:read.';
