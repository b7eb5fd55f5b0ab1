create or replace function core.prompts_dependents(prompt core.prompts) returns setof core.prompts
language sql stable set search_path = '' rows 10 as $$
  with recursive dependent (id) as (
    select r.source_id
      from core.prompt_relations r
     where r.organization_id = prompt.organization_id and r.target_id = prompt.id and r.relation_type = 'depends_on'
    union
    select r.source_id
      from dependent d
      join core.prompt_relations r
        on r.organization_id = prompt.organization_id and r.target_id = d.id and r.relation_type = 'depends_on'
  )
  select p.*
    from dependent d
    join core.prompts p on p.organization_id = prompt.organization_id and p.id = d.id
   order by p.name, p.id;
$$;
revoke execute on function core.prompts_dependents from public;
grant execute on function core.prompts_dependents to curestry_member, curestry_analyst;
comment on function core.prompts_dependents is
  'The prompts that depend on this one, directly or indirectly.';
