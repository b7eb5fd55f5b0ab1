/*
 * A transaction with a snapshot of before, and a cursor that was kept open, still have what a login may no longer read.
 * What cannot be ended is refused, and with it the change that called this.
 */
create or replace function app.analyst_disconnect(analyst name) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_pid integer;
  v_ended integer := 0;
begin
  if not app.analyst_is_login(analyst) then
    return 0;
  end if;
  -- A loop: a planner could call the function for sessions of others before it compares their names
  for v_pid in select s.pid from pg_catalog.pg_stat_activity s where s.usename = analyst loop
    if pg_catalog.pg_terminate_backend(v_pid, 5000) then
      v_ended := v_ended + 1;
    end if;
  end loop;
  return v_ended;
exception when insufficient_privilege then
  perform app.refuse('CU007', format(
    'The sessions of %s cannot be ended: run "deno task migrate" with a login that may create roles, then try again',
    analyst), 'name');
  return null;
end;
$$;
alter function app.analyst_disconnect owner to curestry_definer;
revoke execute on function app.analyst_disconnect from public;
grant execute on function app.analyst_disconnect to curestry_owner;
comment on function app.analyst_disconnect is
  'Ends the sessions of an analyst; answers how many. Of other logins it ends none. For operators.';
