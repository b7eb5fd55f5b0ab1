/* Jumps from organization to organization in the index, so that many marks of one cost no more than one mark. */
create or replace function app.marked_organizations() returns setof uuid
language sql stable security definer set search_path = '' as $$
  with recursive marked as (
    (select m.organization_id from app.mart_mark m order by m.organization_id limit 1)
    union all
    select n.organization_id
      from marked p,
           lateral (select m.organization_id from app.mart_mark m
                     where m.organization_id > p.organization_id order by m.organization_id limit 1) n
  )
  select organization_id from marked;
$$;
alter function app.marked_organizations() owner to curestry_definer;
revoke execute on function app.marked_organizations() from public;
grant execute on function app.marked_organizations() to curestry_worker, curestry_owner;
comment on function app.marked_organizations() is
  'The organizations whose marts are behind. The worker asks every two seconds; one look into an index if there are none.';
