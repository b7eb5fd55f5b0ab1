create or replace function app.organization_list(with_personal boolean)
returns table (
  id uuid, slug text, name text, time_zone text, personal boolean, owners text[], members integer, invited integer,
  raw_retention_days integer, audit_retention_months integer, held boolean, created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.id, o.slug::text, o.name::text, o.time_zone::text, o.personal_user_id is not null,
         coalesce(m.owners, '{}'), coalesce(m.active, 0), coalesce(m.invited, 0),
         o.raw_retention_days, o.audit_retention_months, app.legal_hold_exists(o.id), o.created_at
    from ops.organization o
    left join lateral (
      select array_agg(coalesce(u.email::text, 'user ' || u.id) order by u.email, u.id)
               filter (where x.role = 'owner' and x.status = 'active') as owners,
             (count(*) filter (where x.status = 'active'))::integer as active,
             (count(*) filter (where x.status = 'invited'))::integer as invited
        from ops.organization_user x
        join core.users u on u.id = x.user_id
       where x.organization_id = o.id) m on true
   where with_personal or o.personal_user_id is null
   order by o.slug;
$$;
alter function app.organization_list owner to curestry_definer;
revoke execute on function app.organization_list from public;
grant execute on function app.organization_list to curestry_owner;
comment on function app.organization_list is
  'The organizations, with their owners, how many members they have, and how long they keep what; personal ones on '
  'request. For operators.';
