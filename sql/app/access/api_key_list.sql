create or replace function app.api_key_list(organization uuid default null)
returns table (
  id uuid, organization text, name text, scopes jsonb, created_by text, created_at timestamptz, expires_at timestamptz,
  is_revoked boolean)
language sql stable security definer set search_path = '' as $$
  select k.id, o.slug::text, k.name::text, k.scopes,
         coalesce(u.email::text, case when k.by_operator then 'operator' end),
         k.created_at, k.expires_at, k.is_revoked
    from ops.api_key k
    join ops.organization o on o.id = k.organization_id
    left join core.users u on u.id = k.user_id
   where api_key_list.organization is null or k.organization_id = api_key_list.organization
   order by o.slug, k.created_at, k.id;
$$;
alter function app.api_key_list owner to curestry_definer;
revoke execute on function app.api_key_list from public;
grant execute on function app.api_key_list to curestry_owner;
comment on function app.api_key_list is
  'The API keys of one or all organizations, without their secrets. For operators.';
