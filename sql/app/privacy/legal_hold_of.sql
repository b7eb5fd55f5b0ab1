create or replace function app.legal_hold_of(organization uuid) returns app.legal_hold
language sql stable security definer set search_path = '' as $$
  select h.*
    from app.legal_hold h
   where h.released_at is null
     and (h.held_organization_id = organization
          or h.held_user_id = (select o.personal_user_id from ops.organization o where o.id = organization))
   order by h.placed_at
   limit 1;
$$;
alter function app.legal_hold_of owner to curestry_definer;
revoke execute on function app.legal_hold_of from public;
comment on function app.legal_hold_of is
  'The oldest hold in force of an organization: its own, or that of the user whose personal organization it is.';
