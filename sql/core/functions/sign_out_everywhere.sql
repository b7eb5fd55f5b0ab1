create or replace function core.sign_out_everywhere() returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_count integer;
begin
  update core.sessions s set revoked_at = now()
   where s.user_id = v_user and s.revoked_at is null and s.expires_at > now();
  get diagnostics v_count = row_count;
  return v_count;
end;
$$;
alter function core.sign_out_everywhere owner to curestry_definer;
revoke execute on function core.sign_out_everywhere from public;
grant execute on function core.sign_out_everywhere to curestry_member;
comment on function core.sign_out_everywhere is
  E'@notNull\nEnds all of your sessions, including this one; returns how many there were.';
