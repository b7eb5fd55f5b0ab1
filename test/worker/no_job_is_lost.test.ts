import { parseCrontab } from "graphile-worker";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makeDataDir } from "../start/data_dir.ts";
import { type RunningProcess, runProcess, stopProcesses } from "../start/run_process.ts";

const database = withTestDatabase();
let organization: TestOrganization;
beforeAll(async () => {
  organization = await makeOrganization(database);
});
afterEach(stopProcesses);

/** `deno task worker`, ready. */
async function runWorker(): Promise<RunningProcess> {
  const worker = runProcess(["src/bin/worker.ts"], { ...database.env, CURESTRY_LOG_LEVEL: "info" });
  await worker.prints(/"The worker is ready"/);
  return worker;
}

/** Records one analysis of a day; its overall score is 7. */
async function record(day: string): Promise<void> {
  const record = {
    idempotencyKey: crypto.randomUUID(),
    promptContent: "a b c",
    status: "succeeded",
    startedAt: `${day}T10:00:00Z`,
    finishedAt: `${day}T10:00:01Z`,
    result: {
      detectedLanguage: "en",
      overallScore: 7,
      judgeScore: 7,
      semanticEntropy: 0.5,
      complexityScore: 1,
    },
  };
  const outcomes = await database.query<{ outcome: string; reason: string }>(
    "select outcome, reason from app.analysis_import($1, $2)",
    [organization.id, JSON.stringify([{ line: 1, record }])],
  );
  expect(outcomes).toEqual([{ outcome: "inserted", reason: null }]);
}

async function countDays(day: string): Promise<number> {
  const rows = await database.query(
    "select from mart.analysis_daily where organization_id = $1 and day = $2",
    [organization.id, day],
  );
  return rows.length;
}

async function addJob(): Promise<string> {
  const [job] = await database.query<{ id: string }>(
    "select id from graphile_worker.add_job('refresh_marts')",
  );
  return job?.id ?? "";
}

interface Job {
  attempts: number;
  last_error: string | null;
  locked: boolean;
}

/** A job of the queue; null when it is done. */
async function findJob(id: string): Promise<Job | null> {
  const [job] = await database.query<Job>(
    `select attempts, last_error, locked_at is not null as locked
       from graphile_worker.jobs where id = $1`,
    [id],
  );
  return job ?? null;
}

test("what was recorded is in the marts soon after, in a worker of its own", async () => {
  const worker = await runWorker();
  await record("2026-01-01");
  const id = await addJob();
  await eventually(async () => expect(await findJob(id)).toBeNull());
  expect(await countDays("2026-01-01")).toBe(1);
  const ended = await worker.stop("SIGTERM");
  expect(ended).toMatchObject({ code: 0, signal: null });
  expect(ended.stderr).not.toMatch(/"level":"(warn|error)"/);
});

test("the crontab names tasks that exist, and the worker knows it", async () => {
  const crontab = await readFile(join(repositoryRoot, "worker/crontab"), "utf8");
  const scheduled = parseCrontab(crontab).map(({ task }) => task);
  const tasks = (await readdir(join(repositoryRoot, "worker/tasks"))).map((file) =>
    file.replace(/\.ts$/, "")
  );
  expect(scheduled).toContain("refresh_marts");
  expect(tasks).toEqual(expect.arrayContaining(scheduled));
  const worker = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
  // Written by the worker when it begins to watch the clock
  await eventually(async () =>
    expect(
      (await database.query<{ identifier: string }>(
        "select identifier from graphile_worker._private_known_crontabs order by 1",
      )).map(({ identifier }) => identifier),
    ).toEqual(scheduled.toSorted())
  );
  await worker.stop();
});

describe("a job that takes long", () => {
  beforeEach(async () => {
    // The sequence counts the beginnings, also of what is rolled back; the table the ends
    await database.query(`
      alter function app.mart_changed_organizations() rename to marked_organizations_at_once;
      create sequence app.test_begun;
      create table app.test_ended (at timestamptz default clock_timestamp());
      grant usage on sequence app.test_begun to curestry_worker;
      grant insert on app.test_ended to curestry_worker;
      create function app.mart_changed_organizations() returns setof uuid
        language plpgsql as $$
        begin
          perform nextval('app.test_begun');
          perform ${AWAIT_LOCK};
          return query select app.marked_organizations_at_once();
          insert into app.test_ended default values;
        end $$;`);
  });
  afterEach(() =>
    database.query(`
      drop function app.mart_changed_organizations();
      drop table app.test_ended;
      drop sequence app.test_begun;
      alter function app.marked_organizations_at_once() rename to mart_changed_organizations;`)
  );

  test("is finished when the worker is asked to stop: nothing is lost, nothing is repeated", async () => {
    const worker = await runWorker();
    const release = await holdLock(database);
    await record("2026-01-02");
    const id = await addJob();
    await eventually(async () => expect(await findJob(id)).toMatchObject({ locked: true }));
    worker.kill("SIGTERM");
    await release();
    const { code, stderr } = await worker.ended;
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/"level":"(warn|error)"/);
    // Done, and known to be done: graphile-worker 0.18 by itself forgets to note the latter
    expect(await findJob(id)).toBeNull();
    expect(await countDays("2026-01-02")).toBe(1);
    const [calls] = await database.query(
      `select (select last_value::int from app.test_begun) as begun,
              (select count(*)::int from app.test_ended) as ended`,
    );
    expect(calls).toEqual({ begun: calls?.ended, ended: calls?.begun });
    expect(
      await database.query(
        `select from pg_stat_activity
          where datname = current_database() and usename = 'curestry_worker'`,
      ),
    ).toEqual([]);
  });

  test("that is waiting when the worker stops waits for the next one", async () => {
    const worker = await startWorker({
      databaseUrl: database.workerUrl,
      log: makeLog("silent"),
      concurrentJobs: 1,
    });
    const release = await holdLock(database);
    const first = await addJob();
    await eventually(async () => expect(await findJob(first)).toMatchObject({ locked: true }));
    const second = await addJob();
    const stopped = worker.stop();
    await release();
    await stopped;
    expect(await findJob(first)).toBeNull();
    expect(await findJob(second)).toEqual({ attempts: 0, last_error: null, locked: false });
    const next = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
    await eventually(async () => expect(await findJob(second)).toBeNull());
    await next.stop();
  });
});

test("under load nothing is lost or done twice when one worker stops and another goes on", async () => {
  // Each run leaves a row; the sequence counts beginnings, also of what is rolled back
  await database.query(`
    alter function app.job_tidy(interval, integer) rename to tidy_jobs_for_later;
    create sequence app.test_begun;
    create table app.test_ended (at timestamptz default clock_timestamp());
    grant usage on sequence app.test_begun to curestry_worker;
    grant insert on app.test_ended to curestry_worker;
    create function app.job_tidy() returns void language plpgsql as $$
      begin
        perform nextval('app.test_begun');
        perform pg_sleep(0.02);
        insert into app.test_ended default values;
      end $$;`);
  const count = async () =>
    (await database.query<{ begun: number; ended: number; left: number; touched: number }>(
      `select (select case when is_called then last_value else 0 end::int from app.test_begun) as begun,
              (select count(*)::int from app.test_ended) as ended,
              count(*)::int as left,
              (count(*) filter (where locked_at is not null or attempts > 0))::int as touched
         from graphile_worker.jobs where task_identifier = 'tidy_jobs'`,
    ))[0]!;
  await database.query(
    `select graphile_worker.add_jobs(array(
       select row('tidy_jobs', '{}', null, now(), 3, null, null, null)::graphile_worker.job_spec
         from generate_series(1, 300)))`,
  );
  const first = await runWorker();
  await eventually(async () => expect((await count()).ended).toBeGreaterThan(5));
  expect((await first.stop("SIGTERM")).code).toBe(0);
  const between = await count();
  expect(between.left).toBeGreaterThan(0);
  expect(between).toEqual({
    begun: 300 - between.left,
    ended: 300 - between.left,
    left: between.left,
    touched: 0,
  });
  const second = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
  await eventually(async () => expect((await count()).left).toBe(0));
  await second.stop();
  expect(await count()).toEqual({ begun: 300, ended: 300, left: 0, touched: 0 });
  await database.query(`
    drop function app.job_tidy();
    drop table app.test_ended;
    drop sequence app.test_begun;
    alter function app.tidy_jobs_for_later(interval, integer) rename to job_tidy;`);
});

test("a job that fails stays in the queue with the reason, and is tried again", async () => {
  await database.query(
    "alter function app.mart_changed_organizations() rename to marked_for_later",
  );
  const worker = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
  const id = await addJob();
  await eventually(async () =>
    expect(await findJob(id)).toEqual({
      attempts: 1,
      last_error: expect.stringContaining("app.mart_changed_organizations() does not exist"),
      locked: false,
    })
  );
  await database.query(
    "alter function app.marked_for_later() rename to mart_changed_organizations",
  );
  // The queue waits e seconds before the second try
  await eventually(async () => expect(await findJob(id)).toBeNull());
  await worker.stop();
});

test("a worker that loses its connections goes on with new ones", async () => {
  const worker = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
  let ended = false;
  worker.ended.finally(() => ended = true).catch(() => {});
  // Not at its very first query: graphile-worker 0.18 never repeats that one
  const warm = await addJob();
  await eventually(async () => expect(await findJob(warm)).toBeNull());
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and usename = 'curestry_worker'`,
  );
  await sleep(200);
  const id = await addJob();
  await eventually(async () => expect(await findJob(id)).toBeNull());
  expect(ended).toBe(false);
  await worker.stop();
});

test("the worker's login runs jobs and touches no table of ours", async () => {
  await query(database.workerUrl, "select app.mart_changed_organizations()");
  for (
    const table of [
      "core.prompts",
      "ops.analysis_run",
      "ops.audit_log",
      "mart.analysis_daily",
      "app.mart_change",
      "app.worker_heartbeat",
      "app.task_run",
      "app.platform_admin",
    ]
  ) {
    await expect(query(database.workerUrl, `select from ${table}`)).rejects.toThrow(
      "permission denied",
    );
  }
});

test("without a database it says what to do, and exits 1", async () => {
  const { code, stderr } = await runProcess(["src/bin/worker.ts"], {
    CURESTRY_DATA_DIR: await makeDataDir(),
  }).ended;
  expect(code).toBe(1);
  expect(stderr).toContain("There is no database: set DATABASE_URL (or CURESTRY_WORKER_URL)");
});
