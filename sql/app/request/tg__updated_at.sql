create or replace function app.tg__updated_at() returns trigger
language plpgsql set search_path = '' as $$
begin
  NEW.updated_at := now();
  return NEW;
end;
$$;
revoke execute on function app.tg__updated_at from public;
comment on function app.tg__updated_at is 'Trigger: updated_at is the time of the last change.';
