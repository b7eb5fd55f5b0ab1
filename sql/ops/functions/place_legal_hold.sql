create or replace function ops.place_legal_hold(reason text) returns ops.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold constant app.legal_hold := app.legal_hold_place(app.require('organization:write'), null, reason);
begin
  return row(v_hold.id, v_hold.reason, false, v_hold.placed_at, v_hold.released_at)::ops.legal_hold;
end;
$$;
alter function ops.place_legal_hold owner to curestry_definer;
revoke execute on function ops.place_legal_hold from public;
grant execute on function ops.place_legal_hold to curestry_member;
comment on function ops.place_legal_hold is
  E'@notNull\n'
  '@arg reason Why; whoever tries to erase or delete is told.\n'
  'Places the organization of this request under legal hold: until it is released, nothing of it is erased, '
  'deleted or removed by age. Needs organization:write.';
