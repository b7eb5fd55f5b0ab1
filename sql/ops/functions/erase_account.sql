/* A dry run erases, too, and takes it back: so it says what there is, and what stands against it. */
create or replace function ops.erase_account(email text, dry_run boolean default false) returns ops.erasure
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_user constant integer := app.require_person();
  v_erasure app.erasure;
begin
  if not exists (select from core.users u
                  where u.id = v_user and lower(u.email) = lower(btrim(erase_account.email))) then
    perform app.refuse('CU004', 'email must be your own address: it is your account that is erased', 'email',
                       'erase_account_email');
  end if;
  begin
    v_erasure := app.erase_user(v_user);
    if dry_run then
      raise exception using errcode = 'CU008';
    end if;
  exception
    when sqlstate 'CU008' then
      v_erasure.id := null;
  end;
  return row(v_erasure.id, v_erasure.kind, v_erasure.subject_id, v_erasure.counts)::ops.erasure;
end;
$$;
alter function ops.erase_account owner to curestry_definer;
revoke execute on function ops.erase_account from public;
grant execute on function ops.erase_account to curestry_member;
comment on function ops.erase_account is
  E'@notNull\n'
  '@arg email Your own address.\n'
  '@arg dry_run Says what would be erased, and changes nothing.\n'
  'Erases your account: what identifies you, in all tables and in the states of the audit log, and your personal '
  'organization; it cannot be undone. email is your own address, so that nobody does it by mistake. dryRun: says '
  'what would be erased, and changes nothing. Needs a person who has signed in.';
