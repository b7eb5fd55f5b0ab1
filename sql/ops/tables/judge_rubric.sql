/*
 * ops.judge_rubric: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   name             varchar(255)  not null
 *   version          integer       not null default 1
 *   description      text
 *   meta             jsonb         not null default '{}'
 *   created_at       timestamptz   not null default now()
 *   updated_at       timestamptz   not null default now()
 *
 *   pk_judge_rubric                  primary key (organization_id, id)
 *   unq_judge_rubric_name_version    unique (organization_id, name, version)
 *   fk_judge_rubric_organization_id  foreign key (organization_id) references ops.organization(id) on delete cascade
 *   chk_judge_rubric_description     check (octet_length(description) <= 1048576)
 *   chk_judge_rubric_meta            check (jsonb_typeof(meta) = 'object' and octet_length(meta) <= 262144 and not
 *                                      jsonb_path_exists(meta, '$.**{33}'))
 *   chk_judge_rubric_name            check (name ~ '\S')
 *   chk_judge_rubric_version         check (version >= 1)
 *
 *   idx_judge_rubric_created_at  index (organization_id, created_at, id)
 */

select app.table_usual_comments('ops.judge_rubric');
comment on table ops.judge_rubric is E'@unique id\nWhat judges go by: a named set of criteria.';
comment on column ops.judge_rubric.name is 'Display name; scores name the rubric by it.';
comment on column ops.judge_rubric.version is 'Several versions may bear one name; scores go to the newest.';
comment on column ops.judge_rubric.description is 'What it is for.';
comment on column ops.judge_rubric.meta is 'Anything else, a JSON object.';
comment on constraint unq_judge_rubric_name_version on ops.judge_rubric is
  'there is a rubric with this name and version already';
comment on constraint chk_judge_rubric_name on ops.judge_rubric is 'name must not be blank';
comment on constraint chk_judge_rubric_version on ops.judge_rubric is 'version must be at least 1';
comment on constraint chk_judge_rubric_meta on ops.judge_rubric is
  'meta must be a JSON object of at most 256 KiB, nested at most 32 deep';
comment on constraint chk_judge_rubric_description on ops.judge_rubric is 'description must be at most 1 MiB';

alter table ops.judge_rubric alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_rubric');
select app.table_policies_for_members('ops.judge_rubric', to_read => 'rubrics:read', to_write => 'rubrics:write');
select app.table_policy_for_analysts('ops.judge_rubric');

grant select,
      insert (name, version, description, meta),
      update (name, description, meta),
      delete
   on ops.judge_rubric to curestry_member;
grant select on ops.judge_rubric to curestry_analyst;
grant select, insert, update (updated_at) on ops.judge_rubric to curestry_definer;

create or replace trigger _100_updated_at before update on ops.judge_rubric
  for each row execute function app.tg__updated_at();
create or replace trigger _200_immutable before update of name, version, description or delete on ops.judge_rubric
  for each row execute function app.tg_judge_rubric__immutable();
select app.audit_table('ops.judge_rubric');
