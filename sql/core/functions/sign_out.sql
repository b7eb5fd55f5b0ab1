create or replace function core.sign_out() returns boolean
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform app.require_person();
  update core.sessions s set revoked_at = now()
   where s.id = nullif(current_setting('curestry.session_id', true), '')::integer and s.revoked_at is null;
  return found;
end;
$$;
alter function core.sign_out owner to curestry_definer;
revoke execute on function core.sign_out from public;
grant execute on function core.sign_out to curestry_member;
comment on function core.sign_out is
  E'@notNull\nEnds the session of this request: its token is refused from the next request on.';
