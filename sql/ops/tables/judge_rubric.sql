comment on table ops.judge_rubric is E'@unique id\nWhat judges go by: a named set of criteria.';
comment on column ops.judge_rubric.id is 'Identifies the row; unique across organizations.';
comment on column ops.judge_rubric.organization_id is 'The organization that the row belongs to; given by the request, never by the caller.';
comment on column ops.judge_rubric.name is 'Display name; scores name the rubric by it.';
comment on column ops.judge_rubric.version is 'Several versions may bear one name; scores go to the newest.';
comment on column ops.judge_rubric.description is 'What it is for.';
comment on column ops.judge_rubric.meta is 'Anything else, a JSON object.';
comment on column ops.judge_rubric.created_at is 'When the row was written.';
comment on column ops.judge_rubric.updated_at is 'When the row was last changed.';
comment on constraint pk_judge_rubric on ops.judge_rubric is 'One row per organization and id.';
comment on constraint unq_judge_rubric_name_version on ops.judge_rubric is 'there is a rubric with this name and version already';
comment on constraint fk_judge_rubric_organization_id on ops.judge_rubric is 'The organization must exist.';
comment on constraint chk_judge_rubric_name on ops.judge_rubric is 'name must not be blank';
comment on constraint chk_judge_rubric_version on ops.judge_rubric is 'version must be at least 1';
comment on constraint chk_judge_rubric_meta on ops.judge_rubric is 'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_judge_rubric_description on ops.judge_rubric is 'description must be at most 1 MiB';

alter table ops.judge_rubric alter column organization_id set default app.organization_id();

alter table ops.judge_rubric enable row level security;
alter table ops.judge_rubric force row level security;
revoke all on ops.judge_rubric from curestry_anonymous, curestry_member, curestry_analyst, curestry_definer;

drop policy if exists select_own on ops.judge_rubric;
create policy select_own on ops.judge_rubric for select to curestry_member
  using (organization_id = app.organization_if('rubrics:read'));
comment on policy select_own on ops.judge_rubric is 'Members read the rows of their request''s organization, with rubrics:read.';
grant select on ops.judge_rubric to curestry_member;

drop policy if exists insert_own on ops.judge_rubric;
create policy insert_own on ops.judge_rubric for insert to curestry_member
  with check (organization_id = app.organization_if('rubrics:write'));
comment on policy insert_own on ops.judge_rubric is 'Members write to their request''s organization, with rubrics:write.';
grant insert (name, version, description, meta) on ops.judge_rubric to curestry_member;

drop policy if exists update_own on ops.judge_rubric;
create policy update_own on ops.judge_rubric for update to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy update_own on ops.judge_rubric is 'Members change the rows of their request''s organization, with rubrics:write.';
grant update (name, description, meta) on ops.judge_rubric to curestry_member;

drop policy if exists delete_own on ops.judge_rubric;
create policy delete_own on ops.judge_rubric for delete to curestry_member
  using (organization_id = app.organization_if('rubrics:write'));
comment on policy delete_own on ops.judge_rubric is 'Members delete the rows of their request''s organization, with rubrics:write.';
grant delete on ops.judge_rubric to curestry_member;

drop policy if exists select_granted on ops.judge_rubric;
create policy select_granted on ops.judge_rubric for select to curestry_analyst
  using (organization_id = any (app.analyst_organizations()));
comment on policy select_granted on ops.judge_rubric is 'Analysts read the organizations granted to them.';
grant select on ops.judge_rubric to curestry_analyst;

drop policy if exists definer_all on ops.judge_rubric;
create policy definer_all on ops.judge_rubric for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on ops.judge_rubric is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, update (updated_at) on ops.judge_rubric to curestry_definer;

create or replace trigger _100_updated_at before update on ops.judge_rubric
  for each row execute function app.tg__updated_at();
create or replace trigger _200_frozen before update of name, version, description or delete on ops.judge_rubric
  for each row execute function app.tg_judge_rubric__frozen();
select app.audit_table('ops.judge_rubric');
