-- A schema that does wrong what linters look for. Each of them must find its share of it before its silence about ours
-- counts. Names stand in app, core, ops, mart and report, where the linters look.
create schema app;
create schema core;
create schema ops;
create schema mart;
create schema report;
grant usage on schema app, core, ops, mart, report to public;

-- No row level security, no primary key
create table core.bare (organization_id uuid, name text);
grant all on core.bare to public;

-- Policies, but row level security off; and on, but not forced and without policies
create table core.forgotten (organization_id uuid not null, id uuid primary key);
create policy own on core.forgotten to public using (organization_id = gen_random_uuid());
create table core.not_forced (organization_id uuid not null, id uuid primary key);
alter table core.not_forced enable row level security;

-- A policy that allows everything, two for one action, one that calls a function for each row
create table ops.open (organization_id uuid not null, id uuid primary key);
alter table ops.open enable row level security;
create policy all_of_it on ops.open for all to public using (true) with check (true);
create policy a_second on ops.open for select to public using (id is not null);
grant select, insert, update, delete on ops.open to public;

-- A foreign key without an index, an index twice, types and names of yesterday, no organization
create table ops.child (
  id uuid primary key,
  parent_id uuid not null references ops.open (id),
  "camelCase" json not null,
  made_at timestamp not null,
  number integer not null
);
alter table ops.child enable row level security;
alter table ops.child force row level security;
create index idx_child_number on ops.child (number);
create index idx_child_number_again on ops.child (number);

-- Views and functions with the rights of their owner
create view report.everything as select * from ops.open;
create materialized view mart.totals as select count(*) as n from ops.open;
grant select on report.everything, mart.totals to public;
create function app.bad_definer() returns bigint language plpgsql security definer as $$
begin
  return (select count(*) from ops.open);
end;
$$;
grant execute on function app.bad_definer() to public;

-- What plpgsql_check sees: SQL from outside, a column that is not there, a field that the row has not
create function app.bad_execute(filter text) returns bigint language plpgsql as $$
declare
  v_count bigint;
begin
  execute 'select count(*) from ops.open where ' || filter into v_count;
  return v_count;
end;
$$;
create function app.good_execute(id uuid) returns bigint language plpgsql as $$
declare
  v_count bigint;
begin
  execute 'select count(*) from ops.open o where o.id = $1' using id into v_count;
  return v_count;
end;
$$;
create function app.bad_column() returns void language plpgsql as $$
begin
  update ops.open set nothing = 1;
end;
$$;
create function app.tg_bad_field() returns trigger language plpgsql as $$
begin
  NEW.nothing := 1;
  return NEW;
end;
$$;
create trigger bad_field before insert on ops.open for each row execute function app.tg_bad_field();
create function app.tg_good_transition() returns trigger language plpgsql as $$
begin
  perform from new_rows;
  return null;
end;
$$;
create trigger good_transition after insert on ops.open referencing new table as new_rows
  for each statement execute function app.tg_good_transition();
