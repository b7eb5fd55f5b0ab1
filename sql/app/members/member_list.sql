create or replace function app.member_list(organization uuid default null)
returns table (organization_slug text, user_id integer, email text, role text, status text, created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select o.slug::text, m.user_id, u.email::text, m.role::text, m.status::text, m.created_at
    from ops.organization_user m
    join ops.organization o on o.id = m.organization_id
    join core.users u on u.id = m.user_id
   where m.status <> 'removed' and (member_list.organization is null or o.id = member_list.organization)
     and (member_list.organization is not null or o.personal_user_id is distinct from m.user_id)
   order by o.slug, array_position('{owner,admin,member,viewer}', m.role::text), u.email, m.user_id;
$$;
alter function app.member_list owner to curestry_definer;
revoke execute on function app.member_list from public;
grant execute on function app.member_list to curestry_owner;
comment on function app.member_list is
  'The members of one organization, with those who are invited; or of all, but for the person whose personal one it '
  'is. For operators.';
