comment on table app.operator is 'Users who operate the installation: they see failed jobs and scheduled tasks through the API. Made and unmade by "curestry operator".';
comment on column app.operator.user_id is 'Who.';
comment on column app.operator.granted_at is 'Since when.';
comment on constraint pk_operator on app.operator is 'A user is an operator once.';
comment on constraint fk_operator_user_id on app.operator is 'The user must exist.';

alter table app.operator enable row level security;
alter table app.operator force row level security;

drop policy if exists definer_all on app.operator;
create policy definer_all on app.operator for all to curestry_definer
  using (true)
  with check (true);
comment on policy definer_all on app.operator is 'The functions that look past row level security; the grants say what they may.';
grant select, insert, delete on app.operator to curestry_definer;

select app.audit_table('app.operator', organization_column => null, id_column => 'user_id');
