create or replace function app.tg_organization__held() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform app.refuse_held(app.legal_hold_of(OLD.id), 'The organization ' || OLD.slug);
  return OLD;
end;
$$;
alter function app.tg_organization__held() owner to curestry_definer;
revoke execute on function app.tg_organization__held() from public;
comment on function app.tg_organization__held() is 'Trigger: an organization under legal hold is not deleted.';
