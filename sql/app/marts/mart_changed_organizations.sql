/* A loose index scan: many changes of one organization cost no more than one. */
create or replace function app.mart_changed_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
  with recursive changed as (
    (select m.organization_id from app.mart_change m order by m.organization_id limit 1)
    union all
    select n.organization_id
      from changed p,
           lateral (select m.organization_id from app.mart_change m
                     where m.organization_id > p.organization_id order by m.organization_id limit 1) n
  )
  select organization_id from changed;
$$;
alter function app.mart_changed_organizations owner to curestry_definer;
revoke execute on function app.mart_changed_organizations from public;
grant execute on function app.mart_changed_organizations to curestry_worker, curestry_owner;
comment on function app.mart_changed_organizations is
  'The organizations whose marts are behind. The worker polls it every two seconds; it reads one index entry if '
  'there are none.';
