import { parseCrontab } from "graphile-worker";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { longestGap } from "../../src/worker/longest_gap.ts";
import { startWorker, type Worker } from "../../src/worker/start_worker.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let worker: Worker | undefined;
let ours: TestOrganization;
let theirs: TestOrganization;

beforeAll(async () => {
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
});
afterEach(async () => {
  await worker?.stop();
  worker = undefined;
  await database.query("delete from graphile_worker._private_jobs");
  await database.query("delete from app.mart_change");
});

async function start(times = {}): Promise<void> {
  worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
    times: { pollIntervalMs: 50, ...times },
  });
}

async function mark(...organizations: TestOrganization[]): Promise<void> {
  await database.query(
    "insert into app.mart_change (organization_id, source, hour) select unnest($1::uuid[]), 'metric', '2020-01-01Z'",
    [organizations.map(({ id }) => id)],
  );
}

async function marked(): Promise<string[]> {
  const rows = await database.query<{ id: string }>(
    "select distinct organization_id as id from app.mart_change",
  );
  return rows.map(({ id }) => id);
}

/** Puts something before the refresh of our organization, while `work` goes on. */
async function withObstacle(obstacle: string, work: () => Promise<void>): Promise<void> {
  await database.query(`
    alter function app.mart_refresh_organization(uuid) rename to refresh_for_later;
    create function app.mart_refresh_organization(organization uuid) returns integer
      language plpgsql security definer set search_path = '' as $$
      begin
        if organization = '${ours.id}' then ${obstacle}; end if;
        return app.refresh_for_later(organization);
      end $$;
    alter function app.mart_refresh_organization(uuid) owner to curestry_definer;`);
  try {
    await work();
  } finally {
    await worker?.stop();
    worker = undefined;
    await database.query(`
      drop function app.mart_refresh_organization(uuid);
      alter function app.refresh_for_later(uuid) rename to mart_refresh_organization;`);
  }
}

interface TaskRun {
  kind: string;
  task: string;
  expected_seconds: number;
  succeeded_at: Date | null;
  failed_at: Date | null;
  error: string | null;
  milliseconds: number | null;
}

async function findRun(kind: string, task: string): Promise<TaskRun | undefined> {
  const [run] = await database.query<TaskRun>(
    "select * from app.task_run where kind = $1 and task = $2",
    [kind, task],
  );
  return run;
}

describe("one organization never holds up another's marts", () => {
  test("when its refresh fails: the error is written down, and it is tried again", async () => {
    await withObstacle("raise 'no luck'", async () => {
      await mark(ours, theirs);
      await start();
      await eventually(async () => expect(await marked()).toEqual([ours.id]));
      await eventually(async () =>
        expect(await findRun("poll", "refresh_marts")).toMatchObject({
          error: `organization ${ours.id}: no luck`,
          failed_at: expect.any(Date),
        })
      );
      // The job too does all others, and then fails
      await mark(theirs);
      const [job] = await database.query<{ id: string }>(
        "select id from graphile_worker.add_job('refresh_marts')",
      );
      await eventually(async () =>
        expect(
          await database.query("select last_error from graphile_worker.jobs where id = $1", [
            job?.id,
          ]),
        ).toEqual([{ last_error: `organization ${ours.id}: no luck` }])
      );
      expect(await marked()).toEqual([ours.id]);
    });
    await start();
    await eventually(async () => expect(await marked()).toEqual([]));
  });

  test("when its refresh takes long, in this worker or in another", async () => {
    await withObstacle("perform pg_sleep(600)", async () => {
      await mark(ours);
      await start();
      await eventually(async () =>
        expect(
          await database.query(
            "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
          ),
        ).toHaveLength(1)
      );
      const other = await startWorker({
        databaseUrl: database.workerUrl,
        log: makeLog("silent"),
        times: {
          pollIntervalMs: 50,
          heartbeatIntervalMs: 1_000,
          heartbeatTimeoutMs: 40_000,
          reapIntervalMs: 10_000,
        },
      });
      for (let round = 0; round < 3; round++) {
        await mark(ours, theirs);
        await eventually(async () => expect(await marked()).toEqual([ours.id]));
      }
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
      );
      // Stops only when nothing is under way: the obstacle must not be met again
      await database.query("delete from app.mart_change");
      let stopped = false;
      const stopping = Promise.all([other.stop(), worker?.stop()]).then(() => stopped = true);
      await eventually(async () => {
        await database.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'",
        );
        expect(stopped).toBe(true);
      });
      await stopping;
      worker = undefined;
    });
  });
});

test("the worker says what is to be missed, and writes down each run", async () => {
  await start();
  expect(
    await database.query("select kind, task, expected_seconds from app.task_run order by 1, 2"),
  ).toEqual(expect.arrayContaining([
    { kind: "poll", task: "reap_workers", expected_seconds: 20 },
    { kind: "poll", task: "refresh_marts", expected_seconds: 11 },
    { kind: "schedule", task: "refresh_marts", expected_seconds: 60 },
    { kind: "schedule", task: "tidy_jobs", expected_seconds: 86_400 },
  ]));
  await database.query("select graphile_worker.add_job('tidy_jobs')");
  for (const [kind, task] of [["schedule", "tidy_jobs"], ["poll", "seal_audit"]] as const) {
    await eventually(async () =>
      expect(await findRun(kind, task)).toMatchObject({
        succeeded_at: expect.any(Date),
        failed_at: null,
        milliseconds: expect.any(Number),
      })
    );
  }
});

test("a task that is not in the crontab any more is not missed", async () => {
  await query(
    database.workerUrl,
    `select app.task_expect('[{"kind": "schedule", "task": "gone", "seconds": 60}]')`,
  );
  expect(await findRun("schedule", "gone")).toBeDefined();
  await start();
  expect(await findRun("schedule", "gone")).toBeUndefined();
});

test("scheduled jobs that failed for good are removed, but for the newest; others never", async () => {
  await database.query(
    `select graphile_worker.add_jobs(array(
       select row('refresh_marts', case when n <= 25 then '{"_cron": {}}' else '{}' end::json, null, now(), 1, null, null, null)::graphile_worker.job_spec
         from generate_series(1, 30) as n))`,
  );
  await database.query("update graphile_worker._private_jobs set attempts = max_attempts");
  expect(await query(database.workerUrl, "select app.job_tidy() as removed"))
    .toEqual([{ removed: 5 }]);
  await database.query(
    "alter table graphile_worker._private_jobs disable trigger user; update graphile_worker._private_jobs set updated_at = now() - interval '8 days'; alter table graphile_worker._private_jobs enable trigger user",
  );
  expect(await query(database.workerUrl, "select app.job_tidy() as removed"))
    .toEqual([{ removed: 20 }]);
  expect(await database.query("select from graphile_worker.jobs")).toHaveLength(5);
});

test("what was recorded through the API is in the mart soon", async () => {
  await start({ pollIntervalMs: 2_000 });
  const key = await makeKey(database, theirs, ["prompts:write", "analyses:write", "marts:read"]);
  await recordAnalyses(gateway.url, key, [{
    promptContent: "x",
    status: "succeeded",
    startedAt: "2026-03-01T10:00:00Z",
    finishedAt: "2026-03-01T10:00:01Z",
    result: RESULT,
  }]);
  await eventually(async () =>
    expect(
      await graphqlData(gateway.url, {
        key,
        query: `{ analysesByDay(filter: { day: { equalTo: "2026-03-01" } }) {
          nodes { analyses } } }`,
      }),
    ).toEqual({ analysesByDay: { nodes: [{ analyses: 1 }] } })
  );
});

test.each([
  ["* * * * *", 60],
  ["*/15 * * * *", 900],
  ["0 9-17 * * *", 16 * 3600],
  ["30 3 * * *", 86_400],
  ["0 0 * * 1-5", 3 * 86_400],
  ["0 0 * * 0", 7 * 86_400],
  ["0 0 1 * *", 31 * 86_400],
])("%s runs at most %i seconds after the time before", (pattern, seconds) => {
  const [item] = parseCrontab(`${pattern} refresh_marts`);
  expect(item && longestGap(item, new Date("2026-02-27T10:20:30Z"))).toBe(seconds);
});
