comment on table ops.judge_criterion is E'@unique id\nOne criterion of a rubric.';
comment on column ops.judge_criterion.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_criterion.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_criterion.rubric_id is 'The rubric that it belongs to.';
comment on column ops.judge_criterion.key is 'Short name, unique within the rubric; scores name the criterion by it.';
comment on column ops.judge_criterion.title is 'Display name.';
comment on column ops.judge_criterion.description is 'What is judged, and how.';
comment on column ops.judge_criterion.weight is 'Its share in the total, at least 0.';
comment on column ops.judge_criterion.created_at is 'When the row was written.';
comment on constraint pk_judge_criterion on ops.judge_criterion is 'One row per organization and id.';
comment on constraint unq_judge_criterion_key on ops.judge_criterion is 'the rubric has a criterion with this key already';
comment on constraint fk_judge_criterion_rubric_id on ops.judge_criterion is 'rubric_id must name a rubric of the same organization.';
comment on constraint chk_judge_criterion_key on ops.judge_criterion is 'key must not be blank';
comment on constraint chk_judge_criterion_title on ops.judge_criterion is 'title must not be blank';
comment on constraint chk_judge_criterion_weight on ops.judge_criterion is 'weight must be from 0 to 1000000';
comment on constraint chk_judge_criterion_description on ops.judge_criterion is 'description must be at most 1 MiB';

alter table ops.judge_criterion alter column organization_id set default app.organization_id();

alter table ops.judge_criterion enable row level security;
alter table ops.judge_criterion force row level security;
revoke all on ops.judge_criterion from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_criterion;
create policy select_own on ops.judge_criterion for select to curestry_member
  using (organization_id = app.organization_if('rubrics:read'));
comment on policy select_own on ops.judge_criterion is 'Members read the rows of their request''s organization, with rubrics:read.';
grant select on ops.judge_criterion to curestry_member;

drop policy if exists insert_own on ops.judge_criterion;
create policy insert_own on ops.judge_criterion for insert to curestry_member
  with check (organization_id = app.organization_if('rubrics:write'));
comment on policy insert_own on ops.judge_criterion is 'Members write to their request''s organization, with rubrics:write.';
grant insert (rubric_id, key, title, description, weight) on ops.judge_criterion to curestry_member;

drop policy if exists update_own on ops.judge_criterion;
create policy update_own on ops.judge_criterion for update to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy update_own on ops.judge_criterion is 'Members change the rows of their request''s organization, with rubrics:write.';
grant update (key, title, description, weight) on ops.judge_criterion to curestry_member;

drop policy if exists delete_own on ops.judge_criterion;
create policy delete_own on ops.judge_criterion for delete to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy delete_own on ops.judge_criterion is 'Members delete the rows of their request''s organization, with rubrics:write.';
grant delete on ops.judge_criterion to curestry_member;

drop policy if exists select_granted on ops.judge_criterion;
create policy select_granted on ops.judge_criterion for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_criterion is 'Analysts read the organizations granted to them.';
grant select on ops.judge_criterion to curestry_analyst;

drop policy if exists definer_all on ops.judge_criterion;
create policy definer_all on ops.judge_criterion for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_criterion is 'The functions that look past row level security; the grants say what they may.';
grant select, insert on ops.judge_criterion to curestry_definer;

create or replace trigger _200_frozen before insert or update or delete on ops.judge_criterion
  for each row execute function app.tg_judge_rubric__frozen();
select app.audit_table('ops.judge_criterion');
