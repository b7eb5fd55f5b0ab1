import type { Client } from "pg";
import pg from "pg";
import { createHash } from "node:crypto";
import { withClient } from "../src/database/open_client.ts";
import { type Benchmark, compare, type Comparison, median } from "./compare.ts";
import { scatteredHistory } from "./scattered_history.ts";
import { bringUpToDate } from "./bring_up_to_date.ts";
import { switchTriggers } from "./switch_triggers.ts";

const metricRowCounts = [2_000_000, 10_000_000] as const;
const metricKeyCount = 20;
/** As much is recorded each day, whatever the size: what grows is the history. */
const rowsPerDay = 2_000_000 / 90;
const scatterDays = 90;
/** The end of the history. */
const historyEndMs = Date.now();
const newRowCount = 1000;
const roundCount = 5;
const writerCount = 8;
/** The triggers that note changes for the marts. */
const markTriggerPrefix = "_800_mart_changes_";

/** What a refresh of the marts costs, when little changes and much is there; and what noting changes costs writers. */
export const martsBenchmark: Benchmark = {
  name: "marts",
  description:
    `one organization with ${
      metricRowCounts.join(" and ")
    } metric rows, 2 million in 90 days, and ${newRowCount} new ones: ` +
    "refreshing what changed, recomputing everything, and a materialized view of the same; then a history that was " +
    "imported in no order",

  async run({ adminUrl }) {
    const comparisons: Comparison[] = [];
    const newest: number[] = [];
    const scattered: number[] = [];
    await withClient(adminUrl, async (client) => {
      await client.query("set statement_timeout = 0");
      const organization = await makeOrganization(client, "marts");
      let filled = 0;
      for (const size of metricRowCounts) {
        await fill(client, organization, filled, size);
        filled = size;
        const recompute = await time(() => recomputeAll(client, organization, size));
        const view = await time(() =>
          client.query("refresh materialized view concurrently bench.hours")
        );
        const inNewest = median(
          await refreshes(client, organization, "now() - random() * interval '2 hours'"),
        );
        const everywhere = median(
          await refreshes(
            client,
            organization,
            `now() - random() * interval '${scatterDays} days'`,
          ),
        );
        newest.push(inNewest);
        scattered.push(everywhere);
        const label = `${size.toLocaleString("en")} rows, ${newRowCount} new ones`;
        const times = size === metricRowCounts[0] ? 50 : 250;
        comparisons.push(
          one(
            `${label} in the newest hours`,
            "refresh",
            inNewest,
            "full recompute",
            recompute,
            1 / times,
          ),
          one(`${label} in the newest hours`, "refresh", inNewest, "materialized view", view),
          one(
            `${label} over ${scatterDays} days`,
            "refresh",
            everywhere,
            "full recompute",
            recompute,
          ),
          one(
            `${label} over ${scatterDays} days`,
            "refresh",
            everywhere,
            "materialized view",
            view,
          ),
        );
      }
    });
    const [small, large] = newest;
    const [smallScattered, largeScattered] = scattered;
    comparisons.push(
      one(
        `${newRowCount} new ones in the newest hours, by what is there`,
        "10 million",
        large ?? 0,
        "2 million",
        small ?? 0,
        1.5,
      ),
      one(
        `${newRowCount} new ones over ${scatterDays} days, by what is there`,
        "10 million",
        largeScattered ?? 0,
        "2 million",
        smallScattered ?? 0,
      ),
      await contention(adminUrl),
      ...await withClient(adminUrl, scatteredHistory),
    );
    return comparisons;
  },
};

function one(
  what: string,
  ours: string,
  oursMs: number,
  other: string,
  otherMs: number,
  limit?: number,
): Comparison {
  return {
    what,
    ours: { name: ours, ms: oursMs },
    other: { name: other, ms: otherMs },
    ratio: oursMs / otherMs,
    ...(limit === undefined ? {} : { limit }),
  };
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function makeOrganization(client: Client, slug: string): Promise<string> {
  const { rows: [row] } = await client.query<{ id: string }>(
    "select id from app.organization_create($1, 'Bench', 'owner@x.example')",
    [slug],
  );
  return row?.id ?? "";
}

/** Runs with their documents and metrics, evenly over the days that end now; marts and statistics up to date. */
async function fill(client: Client, organization: string, from: number, to: number): Promise<void> {
  const daysAgo = (days: number) => new Date(historyEndMs - days * 24 * 3600 * 1000);
  const these = [organization, daysAgo(to / rowsPerDay), daysAgo(from / rowsPerDay)];
  // Triggers and foreign keys would only make this slower: what is measured comes later
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into ops.analysis_run (organization_id, status, started_at, finished_at, created_at)
     select $1, 'succeeded', s.at, s.at, s.at
       from generate_series(1, $4::int) as n,
            lateral (select $2::timestamptz + (random() + n * 0) * ($3::timestamptz - $2::timestamptz)) as s (at)`,
    [...these, (to - from) / metricKeyCount],
  );
  await client.query("analyze ops.analysis_run");
  await client.query(
    `insert into core.analysis_results (organization_id, analysis_run_id, prompt_content, detected_language, translated, format_valid,
       overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words, contradictions, patches, clarify_questions, occurred_at)
     select r.organization_id, r.id, 'A prompt', (array['en', 'de', 'fr'])[1 + (random() * 2)::int], false, true, random() * 10, random() * 10, random(), random() * 10, 8, 2, '[]', '[]', '[]', r.occurred_at
       from ops.analysis_run r
      where r.organization_id = $1 and r.occurred_at >= $2 and r.occurred_at < $3`,
    these,
  );
  await client.query(
    `insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, occurred_at)
     select r.organization_id, r.id, 'metric ' || k, case when k < ${metricKeyCount} then round((random() * 1000)::numeric, 3) end,
            case when k = ${metricKeyCount} then (array['low', 'middle', 'high'])[1 + (random() * 2)::int] end, r.occurred_at
       from ops.analysis_run r, generate_series(1, ${metricKeyCount}) as k
      where r.organization_id = $1 and r.occurred_at >= $2 and r.occurred_at < $3`,
    these,
  );
  await client.query("set session_replication_role = origin");
  await client.query("vacuum analyze ops.analysis_metric");
  await client.query("vacuum analyze ops.analysis_run");
  await client.query("vacuum analyze core.analysis_results");
  await client.query("create schema if not exists bench");
  await client.query("drop materialized view if exists bench.hours");
  await client.query(
    `create materialized view bench.hours as
     select organization_id, key, date_trunc('hour', occurred_at, 'UTC') as hour, count(*) as n, sum(value_num), min(value_num), max(value_num),
            avg(value_num), percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by value_num) as quantiles
       from ops.analysis_metric group by 1, 2, 3`,
  );
  await client.query("create unique index on bench.hours (organization_id, key, hour)");
}

async function recomputeAll(client: Client, organization: string, size: number): Promise<void> {
  await client.query("delete from app.mart_change");
  await client.query(
    `insert into app.mart_change (organization_id, source, hour)
     select $1, s, h from unnest(array['metric', 'analysis']) as s, generate_series(date_trunc('hour', now() - ($2::float8 + 1) * interval '1 day', 'UTC'), now(), interval '1 hour') as h`,
    [organization, size / rowsPerDay],
  );
  await bringUpToDate(client, organization);
}

/** Times of refreshes, each after new rows at such times were written through all triggers. */
async function refreshes(client: Client, organization: string, at: string): Promise<number[]> {
  const times: number[] = [];
  for (let round = -1; round < roundCount; round++) {
    await client.query(
      `with run as (
         insert into ops.analysis_run (organization_id, status, started_at, finished_at, meta)
         select $1, 'succeeded', s.at, s.at, '{"new": true}'
           from generate_series(1, $2::int) as n, lateral (select ${at} + n * interval '0') as s (at)
         returning organization_id, id, occurred_at)
       insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, occurred_at)
       select r.organization_id, r.id, 'metric 1', round((random() * 1000)::numeric, 3), r.occurred_at from run r`,
      [organization, newRowCount],
    );
    const taken = await time(() => bringUpToDate(client, organization));
    if (round >= 0) times.push(taken);
    // Each round finds the same
    await client.query(
      `delete from ops.analysis_run where organization_id = $1 and meta = '{"new": true}'`,
      [organization],
    );
    await bringUpToDate(client, organization);
  }
  return times;
}

/** Many writers to one organization and hour, with the triggers that note changes and without. */
async function contention(adminUrl: string): Promise<Comparison> {
  const { organization, hash } = await withClient(adminUrl, async (client) => {
    const organization = await makeOrganization(client, "contention");
    const { rows: [key] } = await client.query<{ key: string }>(
      "select key from app.api_key_create($1, null, 'bench', '{analyses:write}', null)",
      [organization],
    );
    return { organization, hash: createHash("sha256").update(key?.key ?? "").digest("hex") };
  });
  const pool = new pg.Pool({ connectionString: adminUrl, max: writerCount });
  const write = async () => {
    await Promise.all(Array.from({ length: writerCount }, async () => {
      for (let n = 0; n < 40; n++) {
        const client = await pool.connect();
        try {
          await client.query("begin");
          await client.query("select app.begin_request(null, $1, null, 'bench')", [hash]);
          await client.query("set local role curestry_member");
          await client.query(
            `select ops.record_analyses(array[row(gen_random_uuid()::text, null, 'A prompt', null, now(), now(), null,
               row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
               array[row('latency', 123.5, null, null)::ops.analysis_metric_item], null, null)::ops.analysis_item])`,
          );
          await client.query("commit");
        } finally {
          client.release();
        }
      }
    }));
  };
  try {
    return await compare(
      `${writerCount} writers to one organization and hour`,
      {
        name: "with changes noted",
        work: write,
        prepare: () => switchTriggers(pool, "enable", markTriggerPrefix),
        after: () =>
          pool.query("delete from app.mart_change where organization_id = $1", [organization]),
      },
      {
        name: "without",
        work: write,
        prepare: () => switchTriggers(pool, "disable", markTriggerPrefix),
      },
      { rounds: 10, limit: 1 / 0.8 },
    );
  } finally {
    await pool.end();
  }
}
