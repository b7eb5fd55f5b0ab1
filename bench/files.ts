import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Client } from "pg";
import { withClient } from "../src/database/open_client.ts";
import { loginUrl } from "../src/database/urls.ts";
import { type Benchmark, type Comparison, median } from "./compare.ts";
import { readUrl, runProgram, stop } from "./processes.ts";

const fewRows = 10_000;
const manyRows = 1_000_000;
const analyses = 100_000;
const rounds = 3;
/** A hundred times the rows may take so many times the memory. */
const promisedGrowth = 1.3;
const memoryIntervalMs = 25;

/** What COPY writes in the place of each export: the same rows, the same columns. */
const metricsQuery =
  `select id, analysis_run_id, key, value_num, value_text, value_json, occurred_at from ops.analysis_metric
    where organization_id = ORGANIZATION order by occurred_at, id`;
const analysesQuery = `select app.analysis_item_to_json(r) from ops.analysis_run r
    where organization_id = ORGANIZATION order by occurred_at, id`;

/** An organization that has so many metrics. */
interface Filled {
  id: string;
  key: string;
}

/** Exports beside COPY of the same rows, and the memory that files of different sizes take. */
export const filesBenchmark: Benchmark = {
  name: "files",
  description:
    `exports over HTTP beside COPY of the same rows to a file of the server, and the gateway's memory ` +
    `for ${fewRows.toLocaleString("en")} and ${manyRows.toLocaleString("en")} rows`,

  async run({ adminUrl, small: isSmall }) {
    const part = isSmall ? 10 : 1;
    const [small, large] = [fewRows / part, manyRows / part];
    const analysisCount = analyses / part;
    const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    return await withClient(adminUrl, async (client) => {
      await client.query("set statement_timeout = 0");
      const few = await fill(client, "few", small, 0);
      const many = await fill(client, "many", large, analysisCount);
      const empty = await fill(client, "empty", 0, 0);
      await client.query("vacuum analyze");
      const gateway = runProgram("../src/bin/gateway.ts", [], {
        CURESTRY_GATEWAY_URL: loginUrl(adminUrl, "curestry_gateway", "bench"),
        CURESTRY_DATA_DIR: dataDir,
        CURESTRY_LOG_LEVEL: "fatal",
        CURESTRY_RATE_LIMIT_KEY: "1000000000000",
        CURESTRY_RATE_LIMIT_ORGANIZATION: "1000000000000",
        CURESTRY_RATE_LIMIT_RECORDING: "1000000000000",
        PORT: "0",
      });
      try {
        const url = await readUrl(gateway);
        const { pid } = gateway;
        const results: Comparison[] = [];
        /** An export beside COPY, in turns. */
        const besideCopy = async (path: string, query: string, rows: number): Promise<void> => {
          const [ours, theirs]: [number[], number[]] = [[], []];
          for (let round = 0; round < rounds; round++) {
            ours.push(await time(() => download(url, path, many)));
            theirs.push(await time(() => copy(client, query, many)));
          }
          const [mine, other] = [median(ours), median(theirs)];
          results.push({
            what: `${path}, ${rows.toLocaleString("en")} rows: ${
              Math.round(rows / mine).toLocaleString("en")
            },000 rows a second`,
            ours: { name: "export", ms: mine },
            other: { name: "COPY", ms: other },
            ratio: mine / other,
          });
        };
        /** The memory of a large file beside that of a small one. */
        const memory = async (
          what: string,
          work: (size: "small" | "large") => Promise<unknown>,
        ): Promise<void> => {
          const other = await peakMegabytes(pid!, () => work("small"));
          const ours = await peakMegabytes(pid!, () => work("large"));
          results.push({
            what,
            ours: { name: "a hundred times the rows", ms: ours },
            other: { name: "few rows", ms: other },
            ratio: ours / other,
            unit: "MB",
            limit: promisedGrowth,
          });
        };
        // What the process takes once it has worked at all is not what a file takes
        await download(url, "/export/metrics?format=parquet&limit=200000", many);
        for (const format of ["csv", "jsonl", "parquet"]) {
          const path = `/export/metrics?format=${format}`;
          await memory(
            `memory of the gateway at most, ${path}`,
            (size) => download(url, path, size === "large" ? many : few),
          );
        }
        await memory(
          "memory of the gateway at most, POST /import/prompts",
          (size) => upload(url, empty, size === "large" ? large / 10 : small / 10),
        );
        for (const format of ["csv", "jsonl", "parquet"]) {
          await besideCopy(`/export/metrics?format=${format}`, metricsQuery, large);
        }
        await besideCopy("/export/analyses?format=jsonl", analysesQuery, analysisCount);
        return results;
      } finally {
        await stop(gateway);
        await rm(dataDir, { recursive: true, force: true });
      }
    });
  },
};

async function fill(
  client: Client,
  slug: string,
  metrics: number,
  analyses: number,
): Promise<Filled> {
  const { rows: [row] } = await client.query<Filled>(
    `select o.id, k.key from app.organization_create($1, $1, $1 || '@x.example') o,
       app.api_key_create(o.id, null, 'bench',
         '{prompts:read,prompts:write,analyses:read,analyses:write,rubrics:read}', null) k`,
    [slug],
  );
  const { id } = row!;
  await client.query("set session_replication_role = replica");
  const runs = Math.max(analyses, 1);
  await client.query(
    `with run as (
       insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
       select $1, 'succeeded', '2026-01-01Z', timestamptz '2026-01-01Z' + n * interval '5 minutes', 'text ' || n
         from generate_series(1, $3::int) as n returning id
     ), numbered as materialized (select id, row_number() over () - 1 as n from run)
     insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
     select $1, r.id, 'metric ' || g.n / $3::int, random() * 1000,
            timestamptz '2026-01-01Z' + g.n * interval '30 seconds'
       from generate_series(1, $2::int) as g (n) join numbered r on r.n = g.n % $3::int`,
    [id, metrics, runs],
  );
  await client.query("set session_replication_role = origin");
  return row!;
}

/** Reads an export, and throws it away. */
async function download(url: string, path: string, { key }: Filled): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${key}`, "accept-encoding": "identity" },
  });
  if (!response.ok) throw new Error(`The export failed: ${await response.text()}`);
  for await (const _ of response.body!);
}

/** Sends so many prompts, and reads what is said of them. */
async function upload(url: string, { key }: Filled, count: number): Promise<void> {
  let n = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const lines = Array.from(
        { length: 100 },
        () =>
          `${
            JSON.stringify({ name: `prompt ${count} ${n++}`, content: "some words ".repeat(50) })
          }\n`,
      );
      controller.enqueue(new TextEncoder().encode(lines.join("")));
      if (n >= count) controller.close();
    },
  });
  const response = await fetch(`${url}/import/prompts?outcomes=refused`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/jsonl" },
    body,
  });
  const said = await response.text();
  if (!said.includes(`"inserted":${count}`)) throw new Error(`The import failed: ${said}`);
}

/** By the server itself, to where nothing has to be written. */
async function copy(client: Client, query: string, { id }: Filled): Promise<void> {
  const rows = query.replace("ORGANIZATION", client.escapeLiteral(id));
  await client.query(`copy (${rows}) to '/dev/null' (format csv, header)`);
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** The most memory that a process has while something is done, in megabytes. */
async function peakMegabytes(pid: number, work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const look = () => {
    const { stdout } = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" });
    most = Math.max(most, Number(stdout) / 1024);
  };
  const timer = setInterval(look, memoryIntervalMs);
  try {
    await work();
    look();
  } finally {
    clearInterval(timer);
  }
  return most;
}
