import { createHash } from "node:crypto";
import type { Client } from "pg";
import { withClient } from "../src/database/open_client.ts";
import { type Benchmark, type Candidate, compare, type Comparison, median } from "./compare.ts";
import { processorMs } from "./processor_ms.ts";

const analysesPerBatch = 100;
const batchesPerRun = 20;
const runCount = 5;
const singlesPerRun = 100;
const promisedRowsPerSecond = 20_000;
/** Of one core, for one analysis by itself. */
const promisedSingleMs = 5;

/** A table that analyses are written to, and its columns that are not computed. */
interface FactTable {
  name: string;
  columns: string;
}

/** Recording in batches and one by one, with everything on: policies, audit, metrics, changes for the marts. */
export const recordBenchmark: Benchmark = {
  name: "record",
  description:
    `${batchesPerRun} batches of ${analysesPerBatch} analyses by ops.record_analyses, each in a transaction; beside the ` +
    "same rows inserted, and copied, into tables with the same constraints and indexes but without triggers; and one by one",

  async run({ adminUrl }) {
    return await withClient(adminUrl, async (client) => {
      const { organization, hash } = await makeOrganization(client);
      const tables = await makeBareTables(client);
      const { rows: [server] } = await client.query<{ directory: string }>(
        "select current_setting('data_directory') as directory",
      );
      const directory = server!.directory;
      const record = (analyses: number) => recordAnalyses(client, hash, analyses);
      const batches: Candidate = {
        name: "record_analyses",
        work: () => repeat(batchesPerRun, () => record(analysesPerBatch)),
      };
      /** Writes what our batches wrote just before. */
      const bare = (
        name: string,
        write: (table: FactTable, batch: number) => string,
      ): Candidate => ({
        name,
        prepare: () => makeSource(client, organization, tables, directory),
        work: () =>
          repeat(batchesPerRun, async (batch) => {
            await client.query("begin");
            for (const table of tables) await client.query(write(table, batch));
            await client.query("commit");
          }),
      });
      const rounds = { rounds: runCount, clock: () => processorMs(client) };
      const what = `${batchesPerRun} batches of ${analysesPerBatch} analyses, time of one core`;
      const beside = await compare(
        what,
        batches,
        bare(
          "bare inserts",
          ({ name, columns }, batch) =>
            `insert into bench.${name} (${columns}) select ${columns} from bench.source_${name} where batch = ${batch}`,
        ),
        { ...rounds, limit: 2 },
      );
      const rowsPerRun = await countSource(client, tables);
      const besideCopy = await compare(
        what,
        batches,
        bare(
          "COPY",
          ({ name, columns }, batch) =>
            `copy bench.${name} (${columns}) from '${sourceFile(directory, name, batch)}'`,
        ),
        rounds,
      );
      return [beside, besideCopy, await inTime(rowsPerRun, batches), await single(client, record)];
    });
  },
};

/** As clients see it: with the commits. */
async function inTime(rowsPerRun: number, batches: Candidate): Promise<Comparison> {
  const times: number[] = [];
  for (let run = 0; run < runCount; run++) {
    const start = performance.now();
    await batches.work();
    times.push(performance.now() - start);
  }
  const ms = median(times);
  const promisedMs = rowsPerRun / promisedRowsPerSecond * 1000;
  return {
    what: `${Math.round(rowsPerRun / ms * 1000)} table rows a second, in batches`,
    ours: { name: `${rowsPerRun} rows`, ms },
    other: { name: "promised", ms: promisedMs },
    ratio: ms / promisedMs,
    limit: 1,
  };
}

/** What one core of the database works for an analysis that comes by itself. */
async function single(
  client: Client,
  record: (analyses: number) => Promise<void>,
): Promise<Comparison> {
  const times: number[] = [];
  for (let run = 0; run < runCount; run++) {
    const start = await processorMs(client);
    await repeat(singlesPerRun, () => record(1));
    times.push((await processorMs(client) - start) / singlesPerRun);
  }
  const ms = median(times);
  return {
    what: "one analysis by itself, time of one core",
    ours: { name: "record_analyses", ms },
    other: { name: "promised", ms: promisedSingleMs },
    ratio: ms / promisedSingleMs,
    limit: 1,
  };
}

async function recordAnalyses(client: Client, hash: string, analyses: number): Promise<void> {
  await client.query("begin");
  await client.query("select app.begin_request(null, $1, null, 'bench')", [hash]);
  await client.query("set local role curestry_member");
  const { rows } = await client.query<{ outcome: string }>(
    `select r.outcome
       from ops.record_analyses(array(
         select row(gen_random_uuid()::text, null, 'A prompt that is long enough to be real, number ' || n, null, null, null, null,
             row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
             array[row('latency', 123.5, null, null)::ops.analysis_metric_item, row('model', null, 'judge', null)::ops.analysis_metric_item],
             array[row('entropy', 'ok', 5, null)::ops.analysis_node_result_item],
             array[row('r', 'a', 9.5, 'good', null)::ops.judge_score_item, row('r', 'b', 8.5, 'good', null)::ops.judge_score_item])::ops.analysis_item
           from generate_series(1, $1::int) as n)) as r`,
    [analyses],
  );
  await client.query("reset role");
  await client.query("commit");
  if (rows.some(({ outcome }) => outcome !== "inserted")) {
    throw new Error("An analysis was not recorded");
  }
}

async function makeOrganization(client: Client): Promise<{ organization: string; hash: string }> {
  const { rows: [made] } = await client.query<{ id: string; key: string }>(
    `select o.id, k.key
       from app.organization_create('bench', 'Bench', 'owner@x.example') o,
            app.api_key_create(o.id, null, 'bench', '{analyses:write,analyses:read}', null) k`,
  );
  if (!made) throw new Error("No organization was made");
  await client.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'r') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title)
     select $1, r.id, k, k from r, unnest(array['a', 'b']) as k`,
    [made.id],
  );
  return { organization: made.id, hash: createHash("sha256").update(made.key).digest("hex") };
}

/** Tables of the same shape, constraints and indexes, foreign keys included, in the order in which to fill them. */
async function makeBareTables(client: Client): Promise<FactTable[]> {
  await client.query("create schema bench");
  const tables: FactTable[] = [];
  for (
    const original of [
      "ops.analysis_run",
      "core.analysis_results",
      "ops.analysis_metric",
      "ops.analysis_node_result",
      "ops.judge_score",
    ]
  ) {
    const name = original.split(".")[1]!;
    await client.query(`create table bench.${name} (like ${original} including all)`);
    const { rows: keys } = await client.query<{ definition: string }>(
      "select pg_get_constraintdef(oid) as definition from pg_constraint where conrelid = $1::regclass and contype = 'f'",
      [original],
    );
    for (const { definition } of keys) {
      const beside = definition.replace(
        "REFERENCES ops.analysis_run(",
        "REFERENCES bench.analysis_run(",
      );
      await client.query(`alter table bench.${name} add ${beside}`);
    }
    const { rows: [columns] } = await client.query<{ list: string }>(
      `select string_agg(quote_ident(attname), ', ' order by attnum) as list from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
      [original],
    );
    tables.push({ name, columns: columns!.list });
    await client.query(
      `create table bench.source_${name} as select 0 as batch, ${
        columns!.list
      } from ${original} limit 0`,
    );
    await client.query(`create index on bench.source_${name} (batch)`);
    await client.query(`create view bench.original_${name} as select * from ${original}`);
  }
  return tables;
}

/** The rows of the newest analyses, by batch: in tables, and in files of the server. */
async function makeSource(
  client: Client,
  organization: string,
  tables: FactTable[],
  directory: string,
): Promise<void> {
  await client.query("create temp table if not exists newest (id uuid primary key, batch int)");
  await client.query("truncate newest");
  await client.query(
    `insert into newest
     select id, (row_number() over (order by created_at desc, id) - 1) / $2 from ops.analysis_run where organization_id = $1
      order by created_at desc limit $2 * $3`,
    [organization, analysesPerBatch, batchesPerRun],
  );
  for (const { name, columns } of tables) {
    const id = name === "analysis_run" ? "id" : "analysis_run_id";
    await client.query(`truncate bench.source_${name}`);
    await client.query(
      `insert into bench.source_${name} (batch, ${columns})
       select n.batch, ${
        columns.replaceAll(/\w+/g, "o.$&")
      } from newest n join bench.original_${name} o on o.${id} = n.id`,
    );
    await client.query(`analyze bench.source_${name}`);
    for (let batch = 0; batch < batchesPerRun; batch++) {
      await client.query(
        `copy (select ${columns} from bench.source_${name} where batch = ${batch}) to '${
          sourceFile(directory, name, batch)
        }'`,
      );
    }
  }
}

/** In the server's own directory, where it may write, and which goes with it. */
function sourceFile(directory: string, name: string, batch: number): string {
  return `${directory}/${name}.${batch}.bench`;
}

async function countSource(client: Client, tables: FactTable[]): Promise<number> {
  let count = 0;
  for (const { name } of tables) {
    const { rows: [row] } = await client.query<{ n: number }>(
      `select count(*)::int as n from bench.source_${name}`,
    );
    count += row!.n;
  }
  return count;
}

async function repeat(times: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < times; n++) await work(n);
}
