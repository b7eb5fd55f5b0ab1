create or replace function app.legal_hold_refuse(hold app.legal_hold, subject text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if hold.id is not null then
    perform app.refuse('CU005',
                       format('%s is under legal hold %s (%s): an operator has to release it first',
                              subject, hold.id, hold.reason),
                       null, 'legal_hold');
  end if;
end;
$$;
revoke execute on function app.legal_hold_refuse from public;
grant execute on function app.legal_hold_refuse to curestry_definer;
comment on function app.legal_hold_refuse is
  'Refuses (CU005) with the hold and its reason, if there is one.';
