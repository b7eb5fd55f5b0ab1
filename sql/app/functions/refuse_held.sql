create or replace function app.refuse_held(hold app.legal_hold, subject text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if hold.id is not null then
    perform app.refuse('CU005', format('%s is under legal hold %s (%s): an operator has to release it first', subject, hold.id, hold.reason),
                       null, 'legal_hold');
  end if;
end;
$$;
revoke execute on function app.refuse_held(app.legal_hold, text) from public;
grant execute on function app.refuse_held(app.legal_hold, text) to curestry_definer;
comment on function app.refuse_held(app.legal_hold, text) is 'Refuses (CU005), with the hold and its reason, unless there is none.';
