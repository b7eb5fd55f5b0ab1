/*
 * The gateway knows credentials, not people: credentials are looked up here, even if they are no longer valid,
 * because they were when the API was used. An organization that is named counts if the person is, or was, a member.
 */
create or replace function app.api_usage_record(uses jsonb) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_count integer;
begin
  insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
  select o.id, coalesce(k.user_id, s.user_id), left('api.' || u.field, 100),
         clock_timestamp() - least(greatest(u.age, 0), 86400) * interval '1 second', least(u.count, 1000000)
    from jsonb_to_recordset(uses) as u
           ("jwtId" text, "keyHash" text, organization text, field text, count integer, age double precision)
    left join ops.api_key k on k.key_hash = u."keyHash"
    left join core.sessions s on s.jwt_id = u."jwtId",
         lateral (select coalesce(
                    k.organization_id,
                    case when u.organization is null
                         then (select p.id from ops.organization p where p.personal_user_id = s.user_id)
                         else (select n.id from ops.organization n
                                 join ops.organization_user m on m.organization_id = n.id and m.user_id = s.user_id
                                where n.slug = u.organization) end) as id) o
   where (k.id is not null or s.id is not null) and o.id is not null and u.count > 0;
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function app.api_usage_record owner to curestry_definer;
revoke execute on function app.api_usage_record from public;
grant execute on function app.api_usage_record to curestry_gateway;
comment on function app.api_usage_record is
  'Records API usage: which fields were used ({jwtId or keyHash, organization, field, count, age in seconds}), as '
  'the features api.<field>. The gateway calls it every few seconds, outside of requests.';
