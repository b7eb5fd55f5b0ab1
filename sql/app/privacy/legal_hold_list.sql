create or replace function app.legal_hold_list()
returns table (id uuid, organization text, user_id integer, email text, reason text,
               placed_by text, placed_at timestamptz,
               released_by text, released_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select h.id, coalesce(o.slug, h.held_organization_id::text), h.held_user_id, u.email, h.reason,
         h.placed_by, h.placed_at, h.released_by, h.released_at
    from app.legal_hold h
    left join ops.organization o on o.id = h.held_organization_id
    left join core.users u on u.id = h.held_user_id
   order by h.released_at is not null, h.placed_at;
$$;
alter function app.legal_hold_list owner to curestry_definer;
revoke execute on function app.legal_hold_list from public;
grant execute on function app.legal_hold_list to curestry_owner;
comment on function app.legal_hold_list is 'The legal holds, those in force first. For operators.';
