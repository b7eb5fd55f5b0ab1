create or replace function ops.viewer() returns ops.viewer
language sql stable security definer set search_path = '' as $$
  select row(
           u.id, u.email::text, u.name::text, nullif(current_setting('curestry.api_key_id', true), '')::uuid,
           o.id, o.slug::text,
           (select m.role::text from ops.organization_user m
             where m.organization_id = o.id and m.user_id = u.id and m.status = 'active'),
           coalesce(string_to_array(nullif(btrim(current_setting('curestry.permissions', true)), ''), ' '), '{}'),
           -- A key sees its own organization only.
           (select coalesce(array_agg(row(i.id, i.slug::text, i.name::text, m.role::text,
                                          i.personal_user_id is not distinct from u.id)::ops.viewer_organization
                                      order by i.slug), '{}')
              from ops.organization_user m
              join ops.organization i on i.id = m.organization_id
             where m.user_id = u.id and m.status = 'active'
               and (nullif(current_setting('curestry.api_key_id', true), '') is null or i.id = o.id)))::ops.viewer
    from (values (1)) as one (row)
    left join core.users u on u.id = app.user_id()
    left join ops.organization o on o.id = app.organization_id()
   where app.user_id() is not null or app.organization_id() is not null;
$$;
alter function ops.viewer owner to curestry_definer;
revoke execute on function ops.viewer from public;
grant execute on function ops.viewer to curestry_member, curestry_anonymous;
comment on function ops.viewer is
  'Who am I: the user or API key of this request, its organization, role and permissions, and all organizations of '
  'the user. Null without credentials.';
