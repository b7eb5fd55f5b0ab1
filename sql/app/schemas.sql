comment on schema app is
  'Private helpers of Curestry: context and permissions of a request, trigger functions, jobs, functions for '
  'operators. Not in the API.';
comment on schema core is
  'Prompts, their analyses, users and workflows: the tables of the specification''s current backends.';
comment on schema ops is
  'Organizations, keys and credentials, analysis runs with their metrics, rubrics and judge scores, the audit log.';
comment on schema mart is 'Numbers rolled up by hour and by day, for dashboards; written by the worker only.';
comment on schema report is
  'A stable face of the tables for analysts and BI tools: names joined, one row a thing. Its columns change only '
  'with a note in docs/report.md.';

grant usage on schema app to curestry_gateway, curestry_anonymous, curestry_member, curestry_analyst, curestry_worker;
grant usage on schema report to curestry_analyst;
grant usage on schema core, ops, mart to curestry_anonymous, curestry_member, curestry_analyst;
-- The definer owns functions, so it has to be allowed to have them here.
grant usage, create on schema app, core, ops, mart to curestry_definer;
