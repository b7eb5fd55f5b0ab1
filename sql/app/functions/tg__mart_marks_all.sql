create or replace function app.tg__mart_marks_all() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into app.mart_mark (organization_id, source, hour) select o.id, TG_ARGV[0], '-infinity' from ops.organization o;
  return null;
end;
$$;
alter function app.tg__mart_marks_all() owner to curestry_definer;
revoke execute on function app.tg__mart_marks_all() from public;
comment on function app.tg__mart_marks_all() is 'Trigger: marks all hours of all organizations when a table with facts is truncated.';
