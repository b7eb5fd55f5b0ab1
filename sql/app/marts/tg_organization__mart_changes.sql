create or replace function app.tg_organization__mart_changes() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_change (organization_id, source, hour) values (NEW.id, 'zone', '-infinity');
  return null;
end;
$$;
alter function app.tg_organization__mart_changes owner to curestry_definer;
revoke execute on function app.tg_organization__mart_changes from public;
comment on function app.tg_organization__mart_changes is
  'Trigger: the marts of an organization are rebuilt when its time zone changes.';
