import { createHash } from "node:crypto";
import { type ChildProcess, execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Client } from "pg";
import { migrateDatabase } from "../src/database/migrate_database.ts";
import { openClient } from "../src/database/open_client.ts";
import { databaseName, databaseUrl, loginUrl } from "../src/database/urls.ts";
import { type Benchmark, type Comparison, median } from "./compare.ts";
import { readUrl, runProgram, stop } from "./processes.ts";

/** How much is there. */
interface Size {
  organizations: number;
  metricRows: number;
}

const sizes: readonly Size[] = [
  { organizations: 20, metricRows: 1_000_000 },
  { organizations: 2_000, metricRows: 1_000_000 },
  { organizations: 20_000, metricRows: 10_000_000 },
];
const smallSizes: readonly Size[] = [
  { organizations: 20, metricRows: 20_000 },
  { organizations: 200, metricRows: 20_000 },
  { organizations: 2_000, metricRows: 200_000 },
];
const metricKeyCount = 20;
/** As much is recorded each day, whatever the size: what grows is the history, and who shares it. */
const runsPerDay = 1_000;
const promptsPerOrganization = 5;
const rounds = 21;
/** How long gateway and worker do nothing before their memory is read. */
const idleMs = 5_000;

/** What the same things cost when there are many others. */
export const growthBenchmark: Benchmark = {
  name: "growth",
  description:
    "the same organization with 1,000 analyses, among more and more others: the larger sizes beside " +
    "the smallest (--small: a hundredth of it)",

  async run({ adminUrl, small }) {
    const databases: Database[] = [];
    const places: Place[] = [];
    try {
      for (const [n, size] of (small ? smallSizes : sizes).entries()) {
        const url = databaseUrl(adminUrl, `${databaseName(adminUrl)}_${n}`);
        databases.push(await makeDatabase(url, size));
      }
      for (const database of databases) places.push(await openPlace(database));
      return await measure(places);
    } finally {
      for (const place of places) await place.close();
    }
  },
};

/** A database of one size. */
interface Database {
  size: Size;
  client: Client;
  probe: Probe;
  adminUrl: string;
}

/** With a gateway. */
interface Place extends Database {
  gateway: ChildProcess;
  url: string;
  close(): Promise<void>;
}

async function makeDatabase(adminUrl: string, size: Size): Promise<Database> {
  const start = performance.now();
  await migrateDatabase(adminUrl, {
    passwords: { curestry_gateway: "bench", curestry_worker: "bench" },
  });
  const client = await openClient(adminUrl);
  await client.query("set statement_timeout = 0");
  const probe = await makeProbe(client);
  await fill(client, size);
  console.log(
    `  ${describe(size)}: filled in ${((performance.now() - start) / 1000).toFixed(0)} s`,
  );
  return { size, client, probe, adminUrl };
}

async function openPlace(database: Database): Promise<Place> {
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  const gateway = runProgram("../src/bin/gateway.ts", [], {
    CURESTRY_DATA_DIR: dataDir,
    CURESTRY_LOG_LEVEL: "fatal",
    PORT: "0",
    CURESTRY_GATEWAY_URL: loginUrl(database.adminUrl, "curestry_gateway", "bench"),
  });
  return {
    ...database,
    gateway,
    url: await readUrl(gateway),
    async close() {
      await stop(gateway);
      await database.client.end();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function describe({ organizations, metricRows }: Size): string {
  return `${organizations.toLocaleString("en")} organizations, ${
    metricRows.toLocaleString("en")
  } metric rows`;
}

/** The organization that is measured, and what it is reached with. */
interface Probe {
  id: string;
  key: string;
  keyHash: string;
}

/** 200 prompts, 20 of them with the tag that is looked for, and 1,000 analyses. */
async function makeProbe(client: Client): Promise<Probe> {
  const { rows: [row] } = await client.query<{ id: string; key: string }>(
    `select o.id, k.key from app.organization_create('probe', 'Probe', 'probe@x.example') o,
       app.api_key_create(o.id, null, 'bench',
         '{prompts:read,prompts:write,analyses:read,analyses:write,marts:read}', null) k`,
  );
  if (!row) throw new Error("No key was made");
  const keyHash = createHash("sha256").update(row.key).digest("hex");
  const probe = { ...row, keyHash };
  await client.query(
    `insert into core.prompts (organization_id, name, content, tags)
     select $1, 'prompt ' || n, 'Content ' || n, case when n % 10 = 0 then '["rare"]' else '["usual"]' end::jsonb
       from generate_series(1, 200) as n`,
    [probe.id],
  );
  await record(client, probe, 1_000);
  await client.query("select app.mart_refresh_organization($1)", [probe.id]);
  return probe;
}

/** Records analyses as a request of the API does. */
async function record(client: Client, probe: Probe, count: number): Promise<void> {
  await client.query("begin");
  await client.query("select app.begin_request(null, $1, null, 'bench')", [probe.keyHash]);
  await client.query("set local role curestry_member");
  await client.query(
    `select count(*) from ops.record_analyses(array(
       select row(gen_random_uuid()::text, null, 'prompt ' || n % 25, null, null, null, null,
           row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
           array[row('latency', 123.5, null, null)::ops.analysis_metric_item], null, null)::ops.analysis_item
         from generate_series(1, $1::int) as n))`,
    [count],
  );
  await client.query("commit");
}

/** Others, with their history: without triggers, which are measured later and would only take longer. */
async function fill(client: Client, { organizations, metricRows }: Size): Promise<void> {
  await client.query("set session_replication_role = replica");
  await client.query(
    `with users as (
       insert into core.users (email)
       select 'user' || n || '@x.example' from generate_series(1, $1::int) as n returning id, email),
     organizations as (
       insert into ops.organization (name, slug)
       select 'Organization ' || n, 'organization-' || n from generate_series(1, $1::int) as n
       returning id, slug),
     members as (
       insert into ops.organization_user (organization_id, user_id, role)
       select o.id, u.id, 'owner' from organizations o
         join users u on u.email = replace(o.slug, 'organization-', 'user') || '@x.example')
     insert into core.prompts (organization_id, name, content, tags)
     select o.id, 'prompt ' || n, 'Content ' || n, '["usual", "rare"]' from organizations o,
       generate_series(1, ${promptsPerOrganization}) as n`,
    [organizations],
  );
  await client.query("analyze ops.organization");
  await client.query(
    `with organizations as (
       select array_agg(id) as ids, count(*)::int as total from ops.organization where slug like 'organization-%'),
     runs as (
       insert into ops.analysis_run (organization_id, status, started_at, finished_at, created_at)
       select o.ids[1 + n % o.total], 'succeeded', s.at, s.at, s.at
         from organizations o, generate_series(1, $1::int) as n,
              lateral (select now() - (n::float8 / ${runsPerDay}) * interval '1 day') as s (at)
       returning organization_id, id, occurred_at),
     results as (
       insert into core.analysis_results (organization_id, analysis_run_id, prompt_content, detected_language, translated, format_valid,
         overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words, contradictions, patches, clarify_questions,
         occurred_at, created_at)
       select organization_id, id, 'A prompt', 'en', false, true, random() * 10, random() * 10, random(), random() * 10, 8, 2, '[]', '[]', '[]',
         occurred_at, occurred_at from runs)
     insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
     select r.organization_id, r.id, 'metric ' || k, random() * 1000, r.occurred_at
       from runs r, generate_series(1, ${metricKeyCount}) as k`,
    [metricRows / metricKeyCount],
  );
  await client.query("set session_replication_role = origin");
  await client.query("vacuum analyze");
}

/** Measures all sizes in turns, so that whatever else the machine does hits all alike. */
async function measure(places: readonly Place[]): Promise<Comparison[]> {
  const comparisons: Comparison[] = [];
  function add(what: string, values: readonly number[], unit?: string): void {
    const [smallest, ...larger] = places.map(({ size }, n) => ({
      name: describe(size),
      ms: values[n]!,
    }));
    for (const [n, size] of larger.entries()) {
      comparisons.push({
        what,
        ours: size,
        other: smallest!,
        ratio: size.ms / smallest!.ms,
        ...(unit === undefined ? {} : { unit }),
        // In between it is only shown
        ...(n === larger.length - 1 ? { limit: 2 } : {}),
      });
    }
  }
  async function time(
    what: string,
    work: (place: Place) => Promise<unknown>,
    prepare?: (place: Place) => Promise<unknown>,
  ) {
    const times = places.map(() => [] as number[]);
    for (let round = -2; round < rounds; round++) {
      for (const [n, place] of places.entries()) {
        await prepare?.(place);
        const start = performance.now();
        await work(place);
        if (round >= 0) times[n]?.push(performance.now() - start);
      }
    }
    add(what, times.map(median));
  }
  const recordOne = ({ client, probe }: Place) => record(client, probe, 1);
  const refresh = ({ client, probe }: Place) =>
    client.query("select app.mart_refresh_organization($1)", [probe.id]);

  await time(
    "creating an organization",
    ({ client }) =>
      client.query("select app.organization_create($1, 'New', 'new@x.example')", [
        `new-${crypto.randomUUID()}`,
      ]),
  );
  await time("a refresh of the marts after one analysis", refresh, recordOne);
  await time(
    "sealing the audit log after one analysis",
    ({ client }) => client.query("select app.audit_write_seals()"),
    recordOne,
  );
  await time("the worker's polls, with nothing to do", async ({ client }) => {
    await client.query("select app.mart_changed_organizations()");
    await client.query("select app.audit_write_seals()");
  }, refresh);
  const ask = (query: string) => async ({ url, probe }: Place) => {
    const answer = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${probe.key}`, "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const { errors } = await answer.json();
    if (errors) throw new Error(JSON.stringify(errors));
  };
  await time(
    "the newest 20 analyses, over HTTP",
    ask(
      "{ analysisRuns(first: 20, orderBy: OCCURRED_AT_DESC) { totalCount nodes { id status } } }",
    ),
  );
  await time(
    "prompts by tag, over HTTP",
    ask('{ promptsByTags(tags: ["rare"], match: ANY, first: 20) { nodes { id name } } }'),
  );
  for (const path of ["/health", "/metrics"]) {
    await time(path, async ({ url }) => {
      const answer = await fetch(url + path);
      await answer.arrayBuffer();
      if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    });
  }
  await sleep(idleMs);
  add(
    "memory of the gateway",
    await Promise.all(places.map(({ gateway }) => readMemory(gateway.pid))),
    "MB",
  );
  const workers: number[] = [];
  for (const place of places) workers.push(await measureWorker(place));
  add("memory of the worker", workers, "MB");
  return comparisons;
}

async function measureWorker({ adminUrl, client }: Place): Promise<number> {
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  const worker = runProgram("../src/bin/worker.ts", [], {
    CURESTRY_DATA_DIR: dataDir,
    CURESTRY_LOG_LEVEL: "fatal",
    CURESTRY_WORKER_URL: loginUrl(adminUrl, "curestry_worker", "bench"),
  });
  try {
    const isAlive = "select app.worker_count_alive() > 0 as alive";
    while (!(await client.query<{ alive: boolean }>(isAlive)).rows[0]?.alive) {
      if (worker.exitCode !== null) throw new Error("The worker did not start");
      await sleep(50);
    }
    await sleep(idleMs);
    return await readMemory(worker.pid);
  } finally {
    await stop(worker);
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** The share of the system's memory that is a process's, in megabytes; on Linux. */
async function readMemory(pid: number | undefined): Promise<number> {
  if (process.platform !== "linux" || pid === undefined) return Number.NaN;
  // Deno itself lets no program read /proc that has not all permissions
  const { stdout } = await promisify(execFile)("cat", [`/proc/${pid}/smaps_rollup`]);
  const [, kilobytes] = /^Pss:\s+(\d+) kB/m.exec(stdout) ?? [];
  return Number(kilobytes) / 1024;
}
