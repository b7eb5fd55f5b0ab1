import { expect, onTestFinished, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";

const database = withTestDatabase();

/**
 * graphile-worker 0.18 counts wrongly when two jobs cannot be marked as ended, and then neither ends
 * nor takes a job, while both stay locked by a worker that is alive.
 */
test("two jobs that end while the connections are lost are done again, and the worker stops", async () => {
  await database.query(`
    alter function app.job_tidy(interval, integer) rename to job_tidy_at_once;
    create function app.job_tidy() returns integer language plpgsql as $$
      begin
        perform ${AWAIT_LOCK};
        -- One after the other
        perform pg_sleep(0.3 * nextval('public.turn'));
        return 0;
      end $$;
    create sequence public.turn minvalue 0;
    grant usage on sequence public.turn to curestry_worker;
    grant usage on schema public to curestry_worker;
    grant execute on function app.job_tidy() to curestry_worker;`);
  const release = await holdLock(database);
  const worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
    times: {
      pollIntervalMs: 100,
      heartbeatIntervalMs: 100,
      heartbeatTimeoutMs: 1_000,
      reapIntervalMs: 200,
    },
  });
  let stopped: Promise<void> | null = null;
  onTestFinished(() => stopped ?? worker.stop());
  await database.query(
    "select graphile_worker.add_job('tidy_jobs'), graphile_worker.add_job('tidy_jobs')",
  );
  await eventually(async () =>
    expect(
      await database.query("select from graphile_worker.jobs where locked_by is not null"),
    ).toHaveLength(2)
  );

  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; lock table graphile_worker._private_jobs in access exclusive mode");
    await release();
    // Both have ended, and cannot be marked as ended
    await eventually(async () => {
      const rows = await database.query(
        "select from pg_stat_activity where usename = 'curestry_worker' and wait_event_type = 'Lock' and query ~* 'delete from' and datname = current_database()",
      );
      expect(rows).toHaveLength(2);
    });
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'curestry_worker'",
    );
    await client.query("rollback");
  });
  await eventually(async () => {
    await database.query(
      "select graphile_worker.reschedule_jobs(array(select id from graphile_worker.jobs), now())",
    );
    expect(await database.query("select task_identifier from graphile_worker.jobs")).toEqual([]);
  });
  stopped = worker.stop();
  await stopped;
  expect(await database.query("select from app.worker_heartbeat")).toEqual([]);
});
