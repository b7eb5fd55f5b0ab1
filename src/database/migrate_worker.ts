import { Logger, runMigrations } from "graphile-worker";
import pg from "pg";
import { withClient } from "./open_client.ts";
import { actingAs } from "./urls.ts";

/**
 * What curestry_worker needs to take jobs, and nothing of our tables; and what curestry_definer's
 * functions need to show, retry and cancel jobs. graphile-worker turns row level security on in its
 * tables but makes no policies, so they get some. Only what is missing is changed: a grant that is
 * repeated still writes to the catalogue.
 */
const GRANTS = `
do $$
declare
  v_relation record;
begin
  if not has_schema_privilege('curestry_worker', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to curestry_worker;
  end if;
  for v_relation in
    select c.oid::regclass as name, c.relname, c.relkind, c.relrowsecurity
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
    if v_relation.relrowsecurity and not exists (
      select from pg_catalog.pg_policy p
       where p.polrelid = v_relation.name and p.polname = 'all_of_worker'
    ) then
      execute format(
        'create policy all_of_worker on %s to curestry_worker using (true) with check (true)',
        v_relation.name
      );
    end if;
  end loop;
  if exists (
    select from pg_catalog.pg_proc p
     where p.pronamespace = 'graphile_worker'::regnamespace
       and not has_function_privilege('curestry_worker', p.oid, 'execute')
  ) then
    grant execute on all functions in schema graphile_worker to curestry_worker;
  end if;

  if not has_schema_privilege('curestry_definer', 'graphile_worker', 'usage') then
    grant usage on schema graphile_worker to curestry_definer;
  end if;
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
    select c.oid::regclass as name
      from pg_catalog.pg_class c
     where c.oid in ('graphile_worker._private_tasks'::regclass, 'graphile_worker._private_jobs'::regclass)
       and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'all_of_definer')
  loop
    execute format(
      'create policy all_of_definer on %s to curestry_definer using (true) with check (true)',
      v_relation.name
    );
  end loop;
  for v_relation in
    select p.oid::regprocedure as name
      from pg_catalog.pg_proc p
     where p.pronamespace = 'graphile_worker'::regnamespace
       and p.proname in ('complete_jobs', 'reschedule_jobs')
       and not has_function_privilege('curestry_definer', p.oid, 'execute')
  loop
    execute format('grant execute on function %s to curestry_definer', v_relation.name);
  end loop;
end
$$`;

/**
 * Brings the schema of graphile-worker up to date, owned by curestry_owner like everything else, and
 * lets curestry_worker use it.
 *
 * @param adminUrl a login that is a member of curestry_owner
 */
export async function migrateWorker(adminUrl: string): Promise<void> {
  const url = actingAs(adminUrl, "curestry_owner");
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  try {
    await runMigrations({ pgPool: pool, logger: new Logger(() => () => {}) });
  } finally {
    await pool.end();
  }
  await withClient(url, (client) => client.query(GRANTS));
}
