create or replace function app.quota_check(quota_name text, present bigint) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  v_maximum constant integer := (select q.maximum from app.quota q where q.name = quota_name);
begin
  if present >= v_maximum then
    perform app.refuse('CU006', format('The quota %s is used up: %s; an operator can raise it', quota_name, v_maximum),
                       null, 'quota_' || quota_name);
  end if;
end;
$$;
alter function app.quota_check owner to curestry_definer;
revoke execute on function app.quota_check from public;
comment on function app.quota_check is 'Refuses (CU006) one more where a quota is used up.';
