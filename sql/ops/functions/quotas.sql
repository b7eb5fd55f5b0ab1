create or replace function ops.quotas() returns setof ops.quota_state
language plpgsql stable security definer set search_path = '' rows 3 as $$
declare
  v_organization constant uuid := app.require('members:read');
  v_user constant integer := app.session_user_id();
begin
  return query
    select q.name, q.maximum,
           (case q.name
              when 'organizations_of_person' then (
                select count(*) from app.organization_creation c where c.user_id = v_user)
              when 'members_of_organization' then (
                select count(*) from ops.organization_user m
                 where m.organization_id = v_organization and m.status <> 'removed')
              when 'api_keys_of_organization' then (
                select count(*) from ops.api_key k
                 where k.organization_id = v_organization and not k.is_revoked
                   and (k.expires_at is null or k.expires_at > now()))
            end)::integer
      from app.quota q
     where v_user is not null or q.name <> 'organizations_of_person'
     order by q.name;
end;
$$;
alter function ops.quotas owner to curestry_definer;
revoke execute on function ops.quotas from public;
grant execute on function ops.quotas to curestry_member;
comment on function ops.quotas is
  'How much of each quota the organization of this request has used, and the person who asks. An operator changes '
  'quotas. Needs members:read.';
