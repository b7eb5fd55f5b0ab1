import fc from "fast-check";
import type { Client } from "pg";
import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** Random histories of all sources, in time zones that are hard to get right. */

const database = withTestDatabase();
const gateway = withGateway(database);

const ZONES = [
  "UTC",
  "Europe/Berlin",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "America/Havana",
  "America/Sao_Paulo",
  "Australia/Lord_Howe",
];

/** Minutes from here; the clocks of Europe, Cuba and Lord Howe change within. */
const START = Date.parse("2026-10-24T20:00:00Z");
const SPAN = 9 * 24 * 60;
const at = (minute: number) => new Date(START + minute * 60_000).toISOString();

const number = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map((n) => n / 8),
  fc.constantFrom(0, 1e-9, -1e-9, 12345678901234, -3e200, 7e-250),
);
const minute = fc.integer({ min: 0, max: SPAN });
const fact = fc.record({
  minute,
  number: fc.option(number),
  word: fc.constantFrom("yes", "no", "maybe"),
  score: fc.option(fc.integer({ min: 0, max: 10 })),
  clear: fc.option(fc.integer({ min: 0, max: 10 })),
  short: fc.option(fc.integer({ min: 0, max: 10 })),
  language: fc.constantFrom("en", "de"),
  isFinished: fc.boolean(),
});
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("record" as const),
      facts: fc.array(fact, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), nth: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("correct" as const), nth: fc.nat(), number }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("zone" as const), zone: fc.constantFrom(...ZONES) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("refresh" as const) }) },
);

type Fact = typeof fact extends fc.Arbitrary<infer T> ? T : never;

const LN_GAMMA = 0.020000666706669524;

function slotOf(x: number): number {
  return x === 0 ? 0 : Math.sign(x) * (40_000 + Math.ceil(Math.log(Math.abs(x)) / LN_GAMMA));
}

/** Writes a run with all that can belong to it, as the administrator would. */
async function record(
  client: Client,
  organization: TestOrganization,
  criteria: { clear: string; short: string },
  facts: Fact[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const f of facts) {
    const time = at(f.minute);
    const { rows: [run] } = await client.query<{ id: string }>(
      `insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
       values ($1, $2, $3, $4, 'x') returning id`,
      [organization.id, f.isFinished ? "succeeded" : "running", time, f.isFinished ? time : null],
    );
    const id = run?.id ?? "";
    ids.push(id);
    await client.query(
      `with r as (
         insert into core.analysis_results (organization_id, analysis_run_id, prompt_content, detected_language, overall_score,
           judge_score, semantic_entropy, complexity_score, length_chars, length_words, occurred_at)
         select $1, $2, 'x', $4, $5, 5, 0.5, 1, 1, 1, $3 where $5::float8 is not null
       ), m as (
         insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, occurred_at)
         select $1, $2, 'mixed', $6::numeric, case when $6::numeric is null then $7 end, $3
       ), n as (
         insert into ops.analysis_node_result (organization_id, analysis_run_id, node, status, score, occurred_at)
         values ($1, $2, 'lint', case when $5::float8 is null then 'fail' else 'ok' end, $5::numeric, $3)
       ), s as (
         insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score, occurred_at)
         select $1, $2, c.id, c.score, $3
           from (values ($8::uuid, $10::numeric), ($9::uuid, $11::numeric)) as c (id, score) where c.score is not null
       ), f as (
         insert into ops.feature_event (organization_id, user_id, feature_key, occurred_at, event_count)
         values ($1, $12, $7, $3, 2)
       ), w as (
         insert into core.workflow_runs (organization_id, started_at) values ($1, $3) returning id
       )
       insert into core.evaluation_metrics (organization_id, run_id, node_key, metric_name, metric_value, created_at)
       select $1, w.id, 'step', 'quality', coalesce($6::float8, 0), $3 from w`,
      [
        organization.id,
        id,
        time,
        f.language,
        f.score,
        f.number,
        f.word,
        criteria.clear,
        criteria.short,
        f.clear,
        f.short,
        organization.ownerUserId,
      ],
    );
  }
  return ids;
}

async function makeRubric({ id }: TestOrganization): Promise<{ clear: string; short: string }> {
  const [row] = await database.query<{ clear: string; short: string }>(
    `with r as (
       insert into ops.judge_rubric (organization_id, name) values ($1, 'quality') returning id
     ), c as (
       insert into ops.judge_criterion (organization_id, rubric_id, key, title, weight)
       select $1, r.id, k.key, k.key, k.weight from r, (values ('clear', 0.3), ('short', 0.7)) as k (key, weight)
       returning id, key
     )
     select min(id::text) filter (where key = 'clear') as clear, min(id::text) filter (where key = 'short') as short from c`,
    [id],
  );
  if (!row) throw new Error("The rubric was not made");
  return row;
}

/** The numbers of the metric by local day, counted without the database. */
function countDays(facts: Iterable<Fact>, zone: string) {
  const days = new Map<string, { n: number; numbers: number[]; words: Record<string, number> }>();
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone });
  for (const f of facts) {
    const day = format.format(new Date(at(f.minute)));
    const sum = days.get(day) ?? { n: 0, numbers: [], words: {} };
    sum.n++;
    if (f.number !== null) sum.numbers.push(f.number);
    else sum.words[f.word] = (sum.words[f.word] ?? 0) + 1;
    days.set(day, sum);
  }
  return Object.fromEntries([...days].map(([day, { n, numbers, words }]) => {
    const sketch: Record<string, number> = {};
    for (const x of numbers) sketch[slotOf(x)] = (sketch[slotOf(x)] ?? 0) + 1;
    return [day, {
      n,
      min: numbers.length ? Math.min(...numbers) : null,
      max: numbers.length ? Math.max(...numbers) : null,
      sketch: numbers.length ? sketch : null,
      counts: Object.keys(words).length ? words : null,
    }];
  }));
}

test("any history in any time zone gives what a count gives, to the last digit", async () => {
  await withClient(database.adminUrl, async (client) =>
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 9 }), async (steps) => {
        const organization = await makeOrganization(database);
        const owner = await makeKey(database, organization, ["organization:write"]);
        const criteria = await makeRubric(organization);
        const kept = new Map<string, Fact>();
        let zone = "UTC";
        for (const s of steps) {
          const entry = "nth" in s ? [...kept][kept.size ? s.nth % kept.size : 0] : undefined;
          if (s.kind === "record") {
            const ids = await record(client, organization, criteria, s.facts);
            ids.forEach((id, n) => kept.set(id, { ...s.facts[n] as Fact }));
          } else if (s.kind === "refresh") {
            await client.query("select app.mart_refresh_all()");
          } else if (s.kind === "zone") {
            await graphqlData(gateway.url, {
              key: owner,
              query: `mutation ($id: UUID!, $zone: String!) {
              updateOrganization(input: { id: $id, patch: { timeZone: $zone } }) { organization { timeZone } }
            }`,
              variables: { id: organization.id, zone: s.zone },
            });
            zone = s.zone;
          } else if (entry && s.kind === "delete") {
            await client.query("delete from ops.analysis_run where id = $1", [entry[0]]);
            kept.delete(entry[0]);
          } else if (entry && s.kind === "correct") {
            await client.query(
              "update ops.analysis_metric set value_num = $2, value_text = null where analysis_run_id = $1 and key = 'mixed'",
              [entry[0], s.number],
            );
            await client.query(
              "update ops.judge_score set score = 10 - score where analysis_run_id = $1",
              [entry[0]],
            );
            await client.query(
              "update core.analysis_results set overall_score = 10 - overall_score where analysis_run_id = $1",
              [entry[0]],
            );
            entry[1].number = s.number;
          }
        }
        await client.query("select app.mart_refresh_all()");
        expect(
          (await client.query("select * from app.mart_check_all(only_organization => $1)", [
            organization.id,
          ])).rows,
        ).toEqual([]);
        const { rows: days } = await client.query<{ day: string }>(
          `select (ts_bucket at time zone $2)::date::text as day, sample_count::int as n, value_min::float8 as min,
                value_max::float8 as max, value_json -> 'sketch' as sketch, value_json -> 'counts' as counts
           from mart.metric_timeseries
          where organization_id = $1 and source = 'metric' and metric_key = 'mixed' and granularity = 'day'`,
          [organization.id, zone],
        );
        expect(Object.fromEntries(days.map(({ day, ...rest }) => [day, rest])))
          .toEqual(countDays(kept.values(), zone));
        const { rows: [sources] } = await client.query<Record<string, number>>(
          `select coalesce(sum(sample_count) filter (where source = 'node'), 0)::int as nodes,
                coalesce(sum(sample_count) filter (where source = 'judge'), 0)::int as judges
           from mart.metric_timeseries where organization_id = $1 and granularity = 'day'`,
          [organization.id],
        );
        const all = [...kept.values()];
        expect(sources).toEqual({
          nodes: all.length,
          judges: all.flatMap(({ clear, short }) => [clear, short]).filter((x) =>
            x !== null
          ).length,
        });
      }),
      { numRuns: 20 },
    ));
}, 600_000);
