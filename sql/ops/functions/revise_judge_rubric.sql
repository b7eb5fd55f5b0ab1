create or replace function ops.revise_judge_rubric(id uuid) returns ops.judge_rubric
language plpgsql volatile security definer set search_path = '' as $$
declare
  v_organization constant uuid := app.require('rubrics:write');
  v_old ops.judge_rubric;
  v_new ops.judge_rubric;
begin
  select r.* into v_old from ops.judge_rubric r
   where r.organization_id = v_organization and r.id = revise_judge_rubric.id;
  if not found then
    perform app.refuse('CU003', format('There is no rubric %s in this organization', id), 'id');
  end if;
  insert into ops.judge_rubric (organization_id, name, version, description, meta)
  select v_organization, v_old.name, max(r.version) + 1, v_old.description, v_old.meta
    from ops.judge_rubric r where r.organization_id = v_organization and r.name = v_old.name
  returning * into v_new;
  insert into ops.judge_criterion (organization_id, rubric_id, key, title, description, weight)
  select v_organization, v_new.id, c.key, c.title, c.description, c.weight
    from ops.judge_criterion c where c.organization_id = v_organization and c.rubric_id = v_old.id;
  return v_new;
end;
$$;
alter function ops.revise_judge_rubric owner to curestry_definer;
revoke execute on function ops.revise_judge_rubric from public;
grant execute on function ops.revise_judge_rubric to curestry_member;
comment on function ops.revise_judge_rubric is
  E'@notNull\n'
  '@arg id The rubric.\n'
  'Creates a new version of a rubric, with copies of its criteria, that can be changed until scores are given by '
  'it. Scores that name the rubric go to the newest version. Needs rubrics:write.';
