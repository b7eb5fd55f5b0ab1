create or replace function app.tg_api_key__name() returns trigger
language plpgsql set search_path = '' as $$
begin
  NEW.name := normalize(btrim(NEW.name), NFC);
  if not app.text_is_plain(NEW.name) then
    perform app.refuse('CU004', 'name: must not contain control or invisible characters', 'name', 'api_key_name');
  end if;
  return NEW;
end;
$$;
revoke execute on function app.tg_api_key__name from public;
comment on function app.tg_api_key__name is 'Trigger: the name of a new key shows all that is in it.';
