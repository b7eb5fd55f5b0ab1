create or replace function app.release_legal_hold(hold_id uuid) returns app.legal_hold
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
alter function app.release_legal_hold(uuid) owner to curestry_definer;
revoke execute on function app.release_legal_hold(uuid) from public;
grant execute on function app.release_legal_hold(uuid) to curestry_owner;
comment on function app.release_legal_hold(uuid) is 'Releases a legal hold. For operators.';
