create or replace function app.legal_hold_release(hold_id uuid) returns app.legal_hold
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_hold app.legal_hold;
begin
  update app.legal_hold h set released_at = now(), released_by = session_user
   where h.id = hold_id and h.released_at is null
  returning * into v_hold;
  if not found then
    perform app.refuse('CU003', format('There is no legal hold %s in force', hold_id), 'id');
  end if;
  return v_hold;
end;
$$;
alter function app.legal_hold_release owner to curestry_definer;
revoke execute on function app.legal_hold_release from public;
grant execute on function app.legal_hold_release to curestry_owner;
comment on function app.legal_hold_release is 'Releases a legal hold. For operators.';
