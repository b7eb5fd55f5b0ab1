/*
 * ops.judge_criterion: generated from the database by `deno task generate`
 *
 *   id               uuid          not null default gen_random_uuid()
 *   organization_id  uuid          not null default app.organization_id()
 *   rubric_id        uuid          not null
 *   key              varchar(100)  not null
 *   title            varchar(255)  not null
 *   description      text
 *   weight           numeric       not null default 1.0
 *   created_at       timestamptz   not null default now()
 *
 *   pk_judge_criterion               primary key (organization_id, id)
 *   unq_judge_criterion_key          unique (organization_id, rubric_id, key)
 *   fk_judge_criterion_rubric_id     foreign key (organization_id, rubric_id) references
 *                                      ops.judge_rubric(organization_id, id) on delete cascade
 *   chk_judge_criterion_description  check (octet_length(description) <= 1048576)
 *   chk_judge_criterion_key          check (key ~ '\S')
 *   chk_judge_criterion_title        check (title ~ '\S')
 *   chk_judge_criterion_weight       check (weight >= 0::numeric and weight <= 1000000::numeric)
 */

select app.table_usual_comments('ops.judge_criterion');
comment on table ops.judge_criterion is E'@unique id\nOne criterion of a rubric.';
comment on column ops.judge_criterion.rubric_id is 'The rubric that it belongs to.';
comment on column ops.judge_criterion.key is 'Short name, unique within the rubric; scores name the criterion by it.';
comment on column ops.judge_criterion.title is 'Display name.';
comment on column ops.judge_criterion.description is 'What is judged, and how.';
comment on column ops.judge_criterion.weight is E'@float\nIts share in the total, at least 0.';
comment on constraint unq_judge_criterion_key on ops.judge_criterion is
  'the rubric has a criterion with this key already';
comment on constraint fk_judge_criterion_rubric_id on ops.judge_criterion is
  'rubric_id must name a rubric of the same organization.';
comment on constraint chk_judge_criterion_key on ops.judge_criterion is 'key must not be blank';
comment on constraint chk_judge_criterion_title on ops.judge_criterion is 'title must not be blank';
comment on constraint chk_judge_criterion_weight on ops.judge_criterion is 'weight must be from 0 to 1000000';
comment on constraint chk_judge_criterion_description on ops.judge_criterion is 'description must be at most 1 MiB';

alter table ops.judge_criterion alter column organization_id set default app.organization_id();

select app.table_protect('ops.judge_criterion');
select app.table_policies_for_members('ops.judge_criterion', to_read => 'rubrics:read', to_write => 'rubrics:write');
select app.table_policy_for_analysts('ops.judge_criterion');

grant select,
      insert (rubric_id, key, title, description, weight),
      update (key, title, description, weight),
      delete
   on ops.judge_criterion to curestry_member;
grant select on ops.judge_criterion to curestry_analyst;
grant select, insert on ops.judge_criterion to curestry_definer;

create or replace trigger _200_immutable before insert or update or delete on ops.judge_criterion
  for each row execute function app.tg_judge_rubric__immutable();
select app.audit_table('ops.judge_criterion');
