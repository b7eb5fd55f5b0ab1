/*
 * The same check as that of a request, for many at once: nobody's subscription outlives the credential. A refusal is an
 * answer here. The settings of a request that it leaves end with the transaction, which does nothing else.
 */
create or replace function app.live_rights(credentials jsonb)
returns table (place integer, organization_id text, permissions text, refused_code text, refused_message text)
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_credential jsonb;
begin
  place := 0;
  for v_credential in select c.value from jsonb_array_elements(credentials) c (value) loop
    begin
      perform app.begin_request(v_credential->>'jwtId', v_credential->>'keyHash', v_credential->>'organization', null);
      organization_id := current_setting('curestry.organization_id');
      permissions := current_setting('curestry.permissions');
      refused_code := null;
      refused_message := null;
    exception when sqlstate 'CU001' or sqlstate 'CU002' then
      organization_id := null;
      permissions := null;
      refused_code := sqlstate;
      refused_message := sqlerrm;
    end;
    return next;
    place := place + 1;
  end loop;
end;
$$;
alter function app.live_rights owner to curestry_definer;
revoke execute on function app.live_rights from public;
grant execute on function app.live_rights to curestry_gateway;
comment on function app.live_rights is
  'What each of many credentials may do now, in their order, or why it is refused.';
