import { afterEach, beforeAll, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { startWorker, type Worker } from "../../src/worker/start_worker.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { hostileNotifications } from "../helpers/hostile_notifications.ts";
import { makeAnalyst, makeOrganization } from "../helpers/make.ts";

/** H1: whoever has SQL can notify on the channels of the job queue. */

const database = withTestDatabase();
let analyst: string;
let worker: Worker | null = null;

beforeAll(async () => {
  analyst = await makeAnalyst(database, [await makeOrganization(database)]);
});
afterEach(async () => {
  await worker?.stop();
  worker = null;
});

async function start(): Promise<{ worker: Worker; ended: () => boolean }> {
  // Nothing but a notification, or its own poll every two seconds, has it look for jobs
  const started = worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
  });
  let ended = false;
  started.ended.then(() => ended = true);
  return { worker: started, ended: () => ended };
}

async function expectJobsToRun(): Promise<void> {
  const [job] = await database.query<{ id: string }>(
    "select id from graphile_worker.add_job('tidy_jobs')",
  );
  await eventually(async () =>
    expect(await database.query("select from graphile_worker.jobs where id = $1", [job?.id]))
      .toEqual([])
  );
}

test.each(hostileNotifications)("an analyst's notification is a hint: %s", async (attack) => {
  const { ended } = await start();
  // Before and after: the second one shows that the first was heard
  for (let round = 0; round < 3; round++) {
    await query(analyst, attack);
    await expectJobsToRun();
  }
  expect(ended()).toBe(false);
  expect(await database.query("select from app.worker_heartbeat")).toHaveLength(1);
});

test("a newer version that has changed the tables of the queue does end the worker", async () => {
  const { ended } = await start();
  await database.query(
    "insert into graphile_worker.migrations (id, breaking) values (999999, true)",
  );
  await query(analyst, "select pg_notify('worker:migrate', '{}')");
  await eventually(() => expect(ended()).toBe(true));
  await database.query("delete from graphile_worker.migrations where id = 999999");
});
