create or replace function ops.legal_holds() returns setof ops.legal_hold
language plpgsql stable security definer set search_path = '' rows 10 as $$
declare
  v_organization constant uuid := app.require('audit:read');
begin
  return query
    select h.id, h.reason, h.placed_by <> session_user, h.placed_at, h.released_at
      from app.legal_hold h
     where h.held_organization_id = v_organization
     order by h.released_at is not null, h.placed_at desc, h.id;
end;
$$;
alter function ops.legal_holds owner to curestry_definer;
revoke execute on function ops.legal_holds from public;
grant execute on function ops.legal_holds to curestry_member;
comment on function ops.legal_holds is
  'The legal holds on the organization of this request, those in force first. Needs audit:read.';
