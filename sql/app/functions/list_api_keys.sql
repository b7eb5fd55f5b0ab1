create or replace function app.list_api_keys(organization uuid default null)
returns table (id uuid, organization text, name text, scopes jsonb, created_by text, created_at timestamptz, expires_at timestamptz, is_revoked boolean)
language sql stable security definer set search_path = '' as $$
  select k.id, o.slug::text, k.name::text, k.scopes, coalesce(u.email::text, case when k.by_operator then 'operator' end),
         k.created_at, k.expires_at, k.is_revoked
    from ops.api_key k
    join ops.organization o on o.id = k.organization_id
    left join core.users u on u.id = k.user_id
   where list_api_keys.organization is null or k.organization_id = list_api_keys.organization
   order by o.slug, k.created_at, k.id;
$$;
alter function app.list_api_keys(uuid) owner to curestry_definer;
revoke execute on function app.list_api_keys(uuid) from public;
grant execute on function app.list_api_keys(uuid) to curestry_owner;
comment on function app.list_api_keys(uuid) is 'The API keys of one or all organizations, without what could be used. For operators.';
