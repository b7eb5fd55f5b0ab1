/*
 * Every refusal of our functions. The SQLSTATEs are ours (class CU) and are listed here and in
 * src/shared/error_codes.ts, from which the gateway makes extensions.code; a test compares the two.
 *
 *   CU001 UNAUTHENTICATED   CU002 FORBIDDEN   CU003 NOT_FOUND   CU004 INVALID
 *   CU005 CONFLICT          CU006 LIMIT       CU007 UNAVAILABLE
 */
create or replace function app.refuse(code text, message text, field text default null, rule text default null)
returns void
language plpgsql stable set search_path = '' as $$
begin
  raise exception using
    errcode = code, message = message, column = coalesce(field, ''), constraint = coalesce(rule, '');
end;
$$;
revoke execute on function app.refuse from public;
grant execute on function app.refuse to curestry_member, curestry_definer;
comment on function app.refuse is
  'Raises an error with one of our SQLSTATEs, a message for the user, and the field and the rule that it is about.';
