/* The argument is the field, as callers know it. */
create or replace function app.tg__finite_time() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform app.refuse('CU004', format('%s: must be a time, and infinity is none', TG_ARGV[0]), TG_ARGV[0],
                     'finite_time');
  return null;
end;
$$;
revoke execute on function app.tg__finite_time from public;
comment on function app.tg__finite_time is 'Trigger: refuses infinity; its condition says when.';
