create or replace function app.tg_organization__mart_marks() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_mark (organization_id, source, hour) values (NEW.id, 'zone', '-infinity');
  return null;
end;
$$;
alter function app.tg_organization__mart_marks() owner to curestry_definer;
revoke execute on function app.tg_organization__mart_marks() from public;
comment on function app.tg_organization__mart_marks() is 'Trigger: the marts of an organization are rebuilt when its time zone changes.';
