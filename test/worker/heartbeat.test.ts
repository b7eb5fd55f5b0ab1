import { afterEach, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { startHeartbeat } from "../../src/worker/heartbeat.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";
import { type RunningProcess, runProcess, stopProcesses } from "../start/run_process.ts";

const database = withTestDatabase();
const log = makeLog("silent");
/** Quick, so that the death of a worker is noticed while the test waits. */
const TIMES = {
  pollIntervalMs: 200,
  heartbeatIntervalMs: 100,
  heartbeatTimeoutMs: 1_000,
  reapIntervalMs: 200,
};

afterEach(stopProcesses);
afterEach(() => database.query("delete from graphile_worker._private_jobs"));

async function runWorker(): Promise<RunningProcess> {
  const worker = runProcess(["test/worker/run_worker.ts"], {
    WORKER_URL: database.workerUrl,
    WORKER_TIMES: JSON.stringify(TIMES),
  });
  await worker.prints(/ready/);
  return worker;
}

/** Makes the job seal_audit last until it is released. */
async function holdJobs(): Promise<() => Promise<void>> {
  await database.query(`
    alter function app.audit_write_seals() rename to seal_audit_at_once;
    create function app.audit_write_seals() returns table (organization_id uuid, seq integer, hash text, sealed_rows integer)
      language plpgsql as $$
      begin
        perform ${AWAIT_LOCK};
      end $$;`);
  return await holdLock(database);
}

async function letJobsBe(): Promise<void> {
  await database.query(`
    drop function app.audit_write_seals();
    alter function app.seal_audit_at_once() rename to audit_write_seals;`);
}

async function addJob(): Promise<string> {
  const [job] = await database.query<{ id: string }>(
    "select id from graphile_worker.add_job('seal_audit')",
  );
  return job?.id ?? "";
}

async function findJob(id: string) {
  const [job] = await database.query<
    { attempts: number; locked_by: string | null; last_error: string | null }
  >("select attempts, locked_by, last_error from graphile_worker.jobs where id = $1", [id]);
  return job ?? null;
}

async function aliveWorkers(): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    "select worker_id as id from app.worker_heartbeat order by 1",
  );
  return rows.map(({ id }) => id);
}

test("a worker is known by the name under which it locks jobs, until it stops", async () => {
  const release = await holdJobs();
  const worker = await startWorker({ databaseUrl: database.workerUrl, log, times: TIMES });
  const id = await addJob();
  await eventually(async () => expect((await findJob(id))?.locked_by).toBeTruthy());
  // Before it took the job
  expect(await aliveWorkers()).toEqual([(await findJob(id))?.locked_by]);
  await release();
  await worker.stop();
  expect(await aliveWorkers()).toEqual([]);
  expect(await findJob(id)).toBeNull();
  await letJobsBe();
});

test("a job of a worker that was killed is done by another one", async () => {
  const release = await holdJobs();
  const killed = await runWorker();
  const id = await addJob();
  await eventually(async () => expect((await findJob(id))?.locked_by).toBeTruthy());
  const dead = (await findJob(id))?.locked_by;
  const other = await runWorker();
  await killed.stop("SIGKILL");
  await eventually(async () => {
    const job = await findJob(id);
    expect(job).toMatchObject({ attempts: 2, last_error: "The worker ended in the middle of it" });
    expect(job?.locked_by).toMatch(/^pool-/);
    expect(job?.locked_by).not.toBe(dead);
  });
  expect(await aliveWorkers()).not.toContain(dead);
  await release();
  await eventually(async () => expect(await findJob(id)).toBeNull());
  await other.stop();
  await letJobsBe();
});

test("a worker that is too busy to beat keeps its jobs as long as it is connected", async () => {
  const release = await holdJobs();
  const busy = await runWorker();
  const id = await addJob();
  await eventually(async () => expect((await findJob(id))?.locked_by).toBeTruthy());
  const { locked_by: worker } = (await findJob(id))!;
  const other = await startWorker({ databaseUrl: database.workerUrl, log, times: TIMES });
  busy.kill("SIGSTOP");
  // It has been silent for long
  await eventually(async () => {
    const [{ silent } = { silent: false }] = await database.query<{ silent: boolean }>(
      `select bool_and(heartbeat_at < clock_timestamp() - interval '2 seconds') as silent
         from app.worker_heartbeat where worker_id = $1`,
      [worker],
    );
    expect(silent).toBe(true);
  });
  // And others look for the dead meanwhile: they free the job of one that is
  const [dead] = await database.query<{ id: string }>(
    "select id from graphile_worker.add_job('seal_audit', run_at => now() + interval '1 hour')",
  );
  await database.query(
    "update graphile_worker._private_jobs set locked_by = 'stranger', locked_at = now() - interval '1 hour' where id = $1",
    [dead?.id],
  );
  await eventually(async () =>
    expect(await findJob(dead?.id ?? "")).toMatchObject({ locked_by: null })
  );
  expect(await findJob(id)).toEqual({ attempts: 1, locked_by: worker, last_error: null });
  busy.kill("SIGCONT");
  await release();
  await eventually(async () => expect(await findJob(id)).toBeNull());
  await Promise.all([busy.stop(), other.stop()]);
  await letJobsBe();
});

test("a job locked by somebody without a heartbeat is freed too, but not at once", async () => {
  const id = await addJob();
  await database.query(
    "update graphile_worker._private_jobs set locked_by = 'stranger', locked_at = now() where id = $1",
    [id],
  );
  const reap = (silence: string) =>
    query(database.workerUrl, "select app.worker_reap($1) as jobs", [silence]);
  expect(await reap("1 hour")).toEqual([{ jobs: 0 }]);
  expect(await findJob(id)).toMatchObject({ locked_by: "stranger" });
  expect(await reap("0 seconds")).toEqual([{ jobs: 1 }]);
  expect(await findJob(id)).toMatchObject({ locked_by: null, attempts: 0 });
});

test("a scheduled job without attempts left does not stay when its worker dies; another does", async () => {
  const jobs = await database.query<{ id: string; scheduled: boolean }>(
    `select id, payload::jsonb ? '_cron' as scheduled
       from graphile_worker.add_jobs(array[
         row('refresh_marts', '{"_cron": {}}', null, now(), 1, null, null, null)::graphile_worker.job_spec,
         row('refresh_marts', '{}', null, now(), 1, null, null, null)::graphile_worker.job_spec])`,
  );
  await database.query(
    `update graphile_worker._private_jobs
        set attempts = max_attempts, locked_by = 'stranger', locked_at = now() - interval '1 hour'`,
  );
  expect(await query(database.workerUrl, "select app.worker_reap('0 seconds') as jobs"))
    .toEqual([{ jobs: 2 }]);
  expect(await database.query("select id from app.job_list(true)")).toEqual(
    jobs.filter(({ scheduled }) => !scheduled).map(({ id }) => ({ id })),
  );
});

test("the heart goes on beating when all other connections of the worker are in use", async () => {
  const heartbeat = startHeartbeat(database.workerUrl, "pool-x", 50, log);
  await heartbeat.first;
  const beatAt = async () =>
    (await database.query<{ at: string }>(
      "select heartbeat_at::text as at from app.worker_heartbeat where worker_id = 'pool-x'",
    ))[0]?.at ?? "";
  const first = await beatAt();
  await eventually(async () => expect((await beatAt()) > first).toBe(true));
  // And again after its connection broke
  await database.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'curestry worker heartbeat' and datname = current_database()",
  );
  const broken = await beatAt();
  await eventually(async () => expect((await beatAt()) > broken).toBe(true));
  await heartbeat.stop();
  expect(await beatAt()).toBe("");
});

test("a queue that cannot mark a job as done starts again by itself, and does the job again", async () => {
  await database.query(`
    create function app.test_refuse() returns trigger language plpgsql as $$ begin raise 'no luck'; end $$;
    create trigger test_refuse before delete on graphile_worker._private_jobs
      for each row execute function app.test_refuse();`);
  const worker = await startWorker({ databaseUrl: database.workerUrl, log, times: TIMES });
  let ended = false;
  worker.ended.then(() => ended = true);
  const first = await eventually(async () => {
    const [alive] = await aliveWorkers();
    expect(alive).toMatch(/^pool-/);
    return alive;
  });
  const [job] = await database.query<{ id: string }>(
    "select id from graphile_worker.add_job('tidy_jobs')",
  );
  await eventually(async () => {
    const [alive] = await aliveWorkers();
    expect(alive).toMatch(/^pool-/);
    expect(alive).not.toBe(first);
  });
  await database.query(
    "drop trigger test_refuse on graphile_worker._private_jobs; drop function app.test_refuse()",
  );
  await eventually(async () => expect(await findJob(job?.id ?? "")).toBeNull());
  expect(ended).toBe(false);
  await worker.stop();
  expect(await aliveWorkers()).toEqual([]);
});
