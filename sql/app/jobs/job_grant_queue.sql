/*
 * graphile-worker's schema belongs to its library, which makes no grants and, though it turns row level security on,
 * no policies. Called with every migration, after the library's own: a new version may bring new tables. Only what is
 * missing is changed, since a grant that is repeated still writes to the catalogue.
 */
create or replace function app.job_grant_queue() returns void
language plpgsql volatile set search_path = '' as $$
declare
  v_relation record;
begin
  if not has_schema_privilege('curestry_worker', 'graphile_worker', 'usage')
     or not has_schema_privilege('curestry_definer', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to curestry_worker, curestry_definer;
  end if;

  -- The worker takes jobs, and nothing of our tables.
  for v_relation in
    select c.oid::regclass as name, c.relkind, c.relrowsecurity
      from pg_catalog.pg_class c
     where c.relnamespace = 'graphile_worker'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
  loop
    if v_relation.relkind = 'S' then
      if not has_sequence_privilege('curestry_worker', v_relation.name, 'usage') then
        execute format('grant usage, select on sequence %s to curestry_worker', v_relation.name);
      end if;
    elsif not has_table_privilege('curestry_worker', v_relation.name, 'delete') then
      execute format('grant select, insert, update, delete on %s to curestry_worker', v_relation.name);
    end if;
    if v_relation.relrowsecurity
       and not exists (select from pg_catalog.pg_policy p
                        where p.polrelid = v_relation.name and p.polname = 'all_of_worker') then
      execute format('create policy all_of_worker on %s to curestry_worker using (true) with check (true)',
                     v_relation.name);
    end if;
  end loop;
  if exists (select from pg_catalog.pg_proc p
              where p.pronamespace = 'graphile_worker'::regnamespace
                and not has_function_privilege('curestry_worker', p.oid, 'execute')) then
    grant execute on all functions in schema graphile_worker to curestry_worker;
  end if;

  -- Functions for operators show jobs, retry and cancel them.
  if not has_table_privilege('curestry_definer', 'graphile_worker.jobs', 'select') then
    grant select on graphile_worker.jobs to curestry_definer;
  end if;
  if not has_table_privilege('curestry_definer', 'graphile_worker._private_tasks', 'select') then
    grant select on graphile_worker._private_tasks to curestry_definer;
  end if;
  if not has_table_privilege('curestry_definer', 'graphile_worker._private_jobs', 'delete') then
    grant select, update, delete on graphile_worker._private_jobs to curestry_definer;
  end if;
  for v_relation in
    select t.name from unnest('{graphile_worker._private_tasks,graphile_worker._private_jobs}'::regclass[]) as t (name)
     where not exists (select from pg_catalog.pg_policy p where p.polrelid = t.name and p.polname = 'all_of_definer')
  loop
    execute format('create policy all_of_definer on %s to curestry_definer using (true) with check (true)',
                   v_relation.name);
  end loop;
  for v_relation in
    select p.oid::regprocedure as name
      from pg_catalog.pg_proc p
     where p.pronamespace = 'graphile_worker'::regnamespace and p.proname in ('complete_jobs', 'reschedule_jobs')
       and not has_function_privilege('curestry_definer', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to curestry_definer', v_relation.name);
  end loop;
end;
$$;
revoke execute on function app.job_grant_queue from public;
comment on function app.job_grant_queue is
  'Lets curestry_worker use the queue of graphile-worker, and curestry_definer show, retry and cancel its jobs. Part '
  'of every migration.';
