create or replace function app.criterion_id(organization uuid, rubric text, criterion text) returns uuid
language sql stable security definer set search_path = '' as $$
  select c.id
    from ops.judge_rubric r
    join ops.judge_criterion c on c.organization_id = r.organization_id and c.rubric_id = r.id
   where r.organization_id = organization and r.name = rubric and c.key = criterion
   order by r.version desc
   limit 1;
$$;
alter function app.criterion_id(uuid, text, text) owner to curestry_definer;
revoke execute on function app.criterion_id(uuid, text, text) from public;
comment on function app.criterion_id(uuid, text, text) is
  'The criterion with this key of the newest version of the rubric with this name, else null.';
