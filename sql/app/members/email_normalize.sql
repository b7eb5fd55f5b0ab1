/*
 * Addresses that look alike are one: no space around, compatible characters as one (NFKC). Refused is what cannot be
 * told apart by people: invisible characters, and labels that mix letters of Latin, Greek, Cyrillic, Armenian or
 * Cherokee (UTS 39, in short).
 */
create or replace function app.email_normalize(email text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  v_email constant text := normalize(btrim(email, E' \t\r\n'), NFKC);
begin
  if v_email !~ '^[^@\s<>()\[\]\\,;:"&''`{}|]{1,64}@[^@\s<>()\[\]\\,;:"&''`{}|/]{1,254}$' or char_length(v_email) > 254
     or not app.text_is_plain(v_email) or v_email ~ '[\u200c\u200d\ufe00-\ufe0f]' then
    perform app.refuse('CU004', 'email: must be an e-mail address, without invisible characters or markup',
                       'email', 'chk_users_email');
  end if;
  if exists (
       select from regexp_split_to_table(v_email, '[-@._+]') as label
        where (label ~ '[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]')::integer
              + (label ~ '[\u0370-\u03ff\u1f00-\u1fff]')::integer
              + (label ~ '[\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f]')::integer
              + (label ~ '[\u0531-\u058a]')::integer + (label ~ '[\u13a0-\u13fd\uab70-\uabbf]')::integer > 1) then
    perform app.refuse('CU004', 'email: must not mix letters of several alphabets in one word',
                       'email', 'chk_users_email');
  end if;
  return v_email;
end;
$$;
revoke execute on function app.email_normalize from public;
grant execute on function app.email_normalize to curestry_definer;
comment on function app.email_normalize is
  'An e-mail address as it is stored; refuses (CU004) what is none, or looks like another one.';
