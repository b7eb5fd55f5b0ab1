import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { openClient, withClient } from "../../src/database/open_client.ts";
import { readLoginPasswords } from "../../src/database/login_passwords.ts";
import { databaseUrl, loginUrl } from "../../src/database/urls.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { type CrashServer, startCrashServer } from "../helpers/crash_server.ts";
import { query } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { keepProcess, type KeptProcess } from "../helpers/keep_process.ts";
import { makeRandom, pick } from "../helpers/random.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";

/**
 * Fifty crashes at random points, while facts are recorded, corrected and deleted: of workers, of
 * their connections, and of the whole database. The seed repeats what is done, not the moment.
 */

const SEED = Number(process.env.CURESTRY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const CRASHES = { worker: 18, connection: 20, server: 6, backend: 6 };
const TIMES = {
  pollIntervalMs: 30,
  heartbeatIntervalMs: 200,
  heartbeatTimeoutMs: 1_500,
  reapIntervalMs: 300,
};
const WORKERS = 3;
const WRITERS = 2;
const ORGANIZATIONS = ["a", "b", "c"];

let server: CrashServer;
let dataDir: string;
let adminUrl: string;
let workerUrl: string;

beforeAll(async () => {
  server = await startCrashServer();
  dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  adminUrl = databaseUrl(server.url, "crash");
  const settings = readSettings({ DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir });
  const passwords = await readLoginPasswords(settings);
  await migrateDatabase(adminUrl, { passwords });
  workerUrl = loginUrl(adminUrl, "curestry_worker", passwords.curestry_worker ?? "");
});
afterAll(async () => {
  await stopProcesses();
  await server?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** A worker that is started again, as a process manager does, whenever it ends. */
function keepWorker(): KeptProcess {
  return keepProcess(() =>
    runProcess(["test/worker/run_worker.ts"], {
      WORKER_URL: workerUrl,
      WORKER_TIMES: JSON.stringify(TIMES),
    }), /ready/);
}

/** Changes facts until it is told to stop; a connection that is lost is made again. */
function startWriter(seed: number): { stop(): Promise<number> } {
  const random = makeRandom(seed);
  let running = true;
  let done = 0;

  async function change(client: pg.Client): Promise<void> {
    const organization = pick(random, ORGANIZATIONS);
    const day = `2026-0${1 + Math.floor(random() * 2)}-1${Math.floor(random() * 10)}`;
    const at = `${day}T${10 + Math.floor(random() * 12)}:00:00Z`;
    const number = Math.round(random() * 1000) / 100;
    const one = "order by random() limit 1";
    const dice = random();
    if (dice < 0.4) {
      const record = {
        idempotencyKey: crypto.randomUUID(),
        promptContent: "a b c",
        status: "succeeded",
        startedAt: at,
        finishedAt: at,
        result: {
          detectedLanguage: pick(random, ["en", "de"]),
          overallScore: number,
          judgeScore: number,
          semanticEntropy: number / 10,
          complexityScore: 1,
        },
        metrics: [{ key: pick(random, ["latency", "tokens"]), valueNum: number }],
      };
      await client.query(
        "select app.analysis_import(app.organization_by_slug($1), $2)",
        [organization, JSON.stringify([{ line: 1, record }])],
      );
    } else if (dice < 0.55) {
      await client.query(
        `insert into ops.feature_event (organization_id, feature_key, occurred_at, event_count)
         values (app.organization_by_slug($1), $2, $3, 1 + floor($4::float8)::int)`,
        [organization, pick(random, ["x", "y"]), at, number],
      );
    } else if (dice < 0.7) {
      await client.query(
        `update ops.analysis_metric set value_num = $1
          where value_num is not null and id = (select id from ops.analysis_metric ${one})`,
        [number],
      );
    } else if (dice < 0.8) {
      await client.query(
        `delete from ops.analysis_run where id = (select id from ops.analysis_run ${one})`,
      );
    } else if (dice < 0.9) {
      await client.query(
        `delete from ops.feature_event where id = (select id from ops.feature_event ${one})`,
      );
    } else {
      await client.query(
        "select graphile_worker.add_job($1)",
        [pick(random, ["refresh_marts", "seal_audit"])],
      );
    }
    done++;
  }

  async function write(): Promise<void> {
    while (running) {
      const client = await openClient(adminUrl).catch(() => null);
      try {
        while (running && client) await change(client);
      } catch (error) {
        // Lost connections are what this is about; a statement that is wrong is not
        if (/^(22|23|42)/.test((error as { code?: string }).code ?? "")) throw error;
      } finally {
        await client?.end().catch(() => {});
      }
    }
  }

  const ended = write();
  ended.catch(() => {});
  return {
    async stop() {
      running = false;
      await ended;
      return done;
    },
  };
}

/** What ends at random: the process, one connection, or the whole database in two ways. */
async function crash(kind: keyof typeof CRASHES, random: () => number, kill: () => Promise<void>) {
  if (kind === "worker") return await kill();
  if (kind === "server") return await server.crash();
  // Again if the database is just about to notice the crash before
  await eventually(() =>
    withClient(adminUrl, async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        "select pid from pg_stat_activity where usename = 'curestry_worker' order by pid",
      );
      expect(rows).not.toEqual([]);
      const pid = rows[Math.floor(random() * rows.length)]!.pid;
      if (kind === "connection") await client.query("select pg_terminate_backend($1)", [pid]);
      // PostgreSQL ends all sessions and recovers when one of its processes is killed
      else process.kill(pid, "SIGKILL");
    })
  );
}

test(
  "after fifty crashes the marts are what a recount gives, and nothing is left behind",
  async () => {
    console.log(`The seed of the crashes is ${SEED} (CURESTRY_TEST_SEED repeats it)`);
    const random = makeRandom(SEED);
    for (const slug of ORGANIZATIONS) {
      await query(adminUrl, "select app.organization_create($1, $1, $1 || '@example.com')", [slug]);
    }
    const workers = Array.from({ length: WORKERS }, keepWorker);
    const writers = Array.from({ length: WRITERS }, (_, n) => startWriter(SEED + n + 1));
    onTestFinished(async () => {
      await Promise.allSettled(writers.map((writer) => writer.stop()));
      for (const worker of workers) worker.stop();
      await stopProcesses();
    });
    const kinds = Object.entries(CRASHES).flatMap(([kind, count]) =>
      Array<keyof typeof CRASHES>(count).fill(kind as keyof typeof CRASHES)
    );
    expect(kinds).toHaveLength(50);
    const plan = kinds.map((kind) => ({ kind, place: random() }))
      .toSorted((a, b) => a.place - b.place);
    for (const { kind } of plan) {
      const worker = workers[Math.floor(random() * WORKERS)];
      await sleep(random() * 120);
      await crash(kind, random, async () => await worker?.kill());
    }
    const done = await Promise.all(writers.map((writer) => writer.stop()));
    await Promise.all(workers.map((worker) => worker.ready()));
    await eventually(async () => {
      // Those that failed would wait longer and longer for their next attempt
      await query(
        adminUrl,
        "select graphile_worker.reschedule_jobs(array(select id from graphile_worker.jobs), now())",
      );
      const [left] = await query(
        adminUrl,
        `select (select count(*)::int from app.mart_change) as marks,
                (select coalesce(jsonb_agg(to_jsonb(j)), '[]') from graphile_worker.jobs j) as jobs,
                (select count(*)::int from app.worker_heartbeat) as workers,
                (select count(*)::int from app.worker_heartbeat
                  where app.worker_is_connected(worker_id)) as connected`,
      );
      // Those that were killed are forgotten, the last ones are here
      expect(left).toEqual({ marks: 0, jobs: [], workers: WORKERS, connected: WORKERS });
    });
    expect(await query(adminUrl, "select * from app.mart_check_all()")).toEqual([]);
    // And it was about something
    const [facts] = await query<{ marts: number }>(
      adminUrl,
      "select (select count(*)::int from mart.metric_timeseries) as marts",
    );
    expect(facts?.marts).toBeGreaterThan(0);
    expect(Math.min(...done)).toBeGreaterThan(0);
    let stopped = 0;
    for (const worker of workers) worker.stop().then(() => stopped++);
    await eventually(() =>
      expect(stopped, "workers that stop when they are told to").toBe(WORKERS)
    );
    expect(await query(adminUrl, "select worker_id from app.worker_heartbeat")).toEqual([]);
  },
  600_000,
);
