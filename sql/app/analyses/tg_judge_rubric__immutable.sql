/*
 * Once a score was given by a rubric, the rubric stays as it is, so that the score always means what it meant: on
 * judge_rubric and judge_criterion. The rubric's row is locked first; a score takes a share lock on its criterion by
 * its foreign key.
 */
create or replace function app.tg_judge_rubric__immutable() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_organization constant uuid := case TG_OP when 'INSERT' then NEW.organization_id else OLD.organization_id end;
  v_rubric uuid;
begin
  if TG_TABLE_NAME = 'judge_rubric' then
    v_rubric := OLD.id;
  else
    -- By name, because this function serves two types of rows
    v_rubric := to_jsonb(case TG_OP when 'INSERT' then NEW else OLD end) ->> 'rubric_id';
  end if;
  if TG_TABLE_NAME = 'judge_criterion' then
    perform from ops.judge_rubric r where r.organization_id = v_organization and r.id = v_rubric for no key update;
  end if;
  if exists (select from ops.judge_criterion c
               join ops.judge_score s on s.organization_id = c.organization_id and s.criterion_id = c.id
              where c.organization_id = v_organization and c.rubric_id = v_rubric)
     -- What goes with its organization goes.
     and exists (select from ops.organization o where o.id = v_organization) then
    perform app.refuse('CU005', 'Scores were given by this rubric, so it stays as it is: '
                                'make a new version of it (reviseJudgeRubric)', 'id', 'judge_rubric_immutable');
  end if;
  return case TG_OP when 'DELETE' then OLD else NEW end;
end;
$$;
alter function app.tg_judge_rubric__immutable owner to curestry_definer;
revoke execute on function app.tg_judge_rubric__immutable from public;
comment on function app.tg_judge_rubric__immutable is
  'Trigger: a rubric by which scores were given, and its criteria, do not change.';
