create or replace function app.user_list(organization uuid default null)
returns table (
  id integer, email text, name text, platform_admin boolean, organizations text[], signed_in_at timestamptz,
  created_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select u.id, u.email::text, u.name::text, exists (select from app.platform_admin p where p.user_id = u.id),
         array(select o.slug || ': ' || case m.status when 'invited' then 'invited as ' else '' end || m.role
                 from ops.organization_user m
                 join ops.organization o on o.id = m.organization_id
                where m.user_id = u.id and m.status <> 'removed' and o.personal_user_id is distinct from u.id
                order by o.slug),
         (select max(s.created_at) from core.sessions s where s.user_id = u.id), u.created_at
    from core.users u
   where u.erased_at is null
     and (user_list.organization is null
          or exists (select from ops.organization_user m
                      where m.organization_id = user_list.organization and m.user_id = u.id and m.status <> 'removed'))
   order by u.email, u.id;
$$;
alter function app.user_list owner to curestry_definer;
revoke execute on function app.user_list from public;
grant execute on function app.user_list to curestry_owner;
comment on function app.user_list is
  'The people with an account, what they are in which organization, and when they last signed in; of one organization, '
  'or all. For operators.';
