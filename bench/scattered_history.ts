import type { Client } from "pg";
import { bringUpToDate } from "./bring_up_to_date.ts";
import type { Comparison } from "./compare.ts";
import { processorMs } from "./processor_ms.ts";

const smallRunCount = 500;
const largeRunCount = 100_000;
const historyDays = 3 * 365;
const runsPerCall = 500;
/** For one run of six metrics. */
const promisedRunMs = 1;
/** What a correction changes of a history. */
const correctedShare = 0.2;

/** Histories that are imported in no order: each run lies in an hour of its own, or in one with few. */
export async function scatteredHistory(client: Client): Promise<Comparison[]> {
  await client.query("set statement_timeout = 0");
  const small = await importHistory(client, smallRunCount);
  const smallStart = await processorMs(client);
  await bringUpToDate(client, small.organization);
  const smallOfCore = await processorMs(client) - smallStart;
  const large = await importHistory(client, largeRunCount);
  const largeStart = await processorMs(client);
  const largeMs = await time(() => bringUpToDate(client, large.organization));
  const largeOfCore = await processorMs(client) - largeStart;

  await makeView(client);
  const viewMs = await time(() =>
    client.query("refresh materialized view concurrently bench_scattered.hours")
  );
  await client.query(
    "insert into app.mart_change (organization_id, source, hour) values ($1, 'zone', '-infinity')",
    [large.organization],
  );
  const recomputeMs = await time(() => bringUpToDate(client, large.organization));
  await client.query(
    `update core.analysis_results set overall_score = 10 - overall_score
      where organization_id = $1 and hashtext(analysis_run_id::text) % 1000 between 0 and $2`,
    [large.organization, correctedShare * 1000 - 1],
  );
  const correctionMs = await time(() => bringUpToDate(client, large.organization));

  const runs = (count: number) => `${count.toLocaleString("en")} runs`;
  const history = `${runs(largeRunCount)} over three years`;
  return [
    one(
      `${runs(smallRunCount)} over three years, a run, time of one core`,
      { name: "refresh", ms: smallOfCore / smallRunCount },
      { name: "promised", ms: promisedRunMs },
      1,
    ),
    one(
      "a run, by how many runs there are, time of one core",
      { name: runs(largeRunCount), ms: largeOfCore / largeRunCount },
      { name: runs(smallRunCount), ms: smallOfCore / smallRunCount },
      1,
    ),
    one(history, { name: "refresh", ms: largeMs }, { name: "their import", ms: large.ms }, 0.5),
    one(history, { name: "refresh", ms: largeMs }, { name: "full recompute", ms: recomputeMs }),
    one(history, { name: "refresh", ms: largeMs }, { name: "materialized view", ms: viewMs }),
    one(
      `${correctedShare * 100} % of ${history}, corrected`,
      { name: "refresh", ms: correctionMs },
      { name: "full recompute", ms: recomputeMs },
      1,
    ),
  ];
}

/** Through `app.analysis_import`, whose calls are transactions; six metrics each are those of the document. */
async function importHistory(
  client: Client,
  runCount: number,
): Promise<{ organization: string; ms: number }> {
  const { rows: [made] } = await client.query<{ id: string }>(
    "select id from app.organization_create('scattered-' || $1, 'Bench', 'scattered' || $1 || '@x.example')",
    [runCount],
  );
  const organization = made!.id;
  let ms = 0;
  for (let from = 0; from < runCount; from += runsPerCall) {
    const { rows: [lines] } = await client.query<{ json: string }>(
      `select jsonb_agg(jsonb_build_object('line', n, 'record', jsonb_build_object(
                'promptContent', 'A prompt that is long enough to be real, number ' || n, 'startedAt', s.at, 'finishedAt', s.at,
                'result', jsonb_build_object(
                  'detectedLanguage', (array['en', 'de', 'fr'])[1 + n % 3], 'overallScore', round((random() * 10)::numeric, 2),
                  'judgeScore', round((random() * 10)::numeric, 2), 'semanticEntropy', round(random()::numeric, 3),
                  'complexityScore', round((random() * 10)::numeric, 2)))))::text as json
         from generate_series($1::int, $2::int) as n,
              lateral (select now() - random() * $3 * interval '1 day' + n * interval '0') as s (at)`,
      [from + 1, Math.min(from + runsPerCall, runCount), historyDays],
    );
    ms += await time(async () => {
      const { rows } = await client.query<{ inserted: number }>(
        "select count(*)::int as inserted from app.analysis_import($1, $2) where outcome = 'inserted'",
        [organization, lines!.json],
      );
      if (rows[0]?.inserted !== Math.min(runsPerCall, runCount - from)) {
        throw new Error("A run was not imported");
      }
    });
  }
  return { organization, ms };
}

/** The hours of all metrics, with quantiles, as the marts have them. */
async function makeView(client: Client): Promise<void> {
  await client.query("create schema bench_scattered");
  await client.query(
    `create materialized view bench_scattered.hours as
     select m.organization_id, m.key, date_trunc('hour', m.occurred_at, 'UTC') as hour, count(*) as n, sum(m.value_num), min(m.value_num),
            max(m.value_num), avg(m.value_num), percentile_disc(array[0.5, 0.9, 0.95, 0.99]) within group (order by m.value_num) as quantiles
       from ops.analysis_metric m
       join ops.organization o on o.id = m.organization_id and o.slug like 'scattered-%'
      group by 1, 2, 3`,
  );
  await client.query(
    "create unique index on bench_scattered.hours (organization_id, key, hour)",
  );
}

function one(
  what: string,
  ours: Comparison["ours"],
  other: Comparison["other"],
  limit?: number,
): Comparison {
  return {
    what,
    ours,
    other,
    ratio: ours.ms / other.ms,
    ...(limit === undefined ? {} : { limit }),
  };
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
