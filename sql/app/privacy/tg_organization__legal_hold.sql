create or replace function app.tg_organization__legal_hold() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform app.legal_hold_refuse(app.legal_hold_of(OLD.id), 'The organization ' || OLD.slug);
  return OLD;
end;
$$;
alter function app.tg_organization__legal_hold owner to curestry_definer;
revoke execute on function app.tg_organization__legal_hold from public;
comment on function app.tg_organization__legal_hold is
  'Trigger: an organization under legal hold cannot be deleted.';
