import { beforeAll, describe, expect, test } from "vitest";
import type pg from "pg";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";

/**
 * Lists and searches read what they answer, by index and under row level security: not what is before
 * it, and not what others have. Counted in blocks that are read, which do not depend on the machine.
 */

const database = withTestDatabase();
const gateway = withGateway(database);
const analyses = 20_000;
const pageSize = 100;
let ours: TestOrganization;
let key: string;

beforeAll(async () => {
  ours = await makeOrganization(database);
  key = await makeKey(database, ours, ["prompts:read", "analyses:read"]);
  const theirs = await makeOrganization(database);
  await withClient(database.adminUrl, async (client) => {
    // The triggers of so many rows are not what this is about
    await client.query("set session_replication_role = replica");
    for (const { id } of [ours, theirs]) await record(client, id);
    await client.query("vacuum analyze core.analysis_results, ops.judge_score");
  });
});

/** Analyses with scores in tenths, so that many are alike, recorded a hundred at a time. */
async function record(client: pg.Client, organization: string): Promise<void> {
  await client.query(
    `insert into core.analysis_results
       (organization_id, analysis_run_id, prompt_content, detected_language, overall_score, judge_score,
        semantic_entropy, complexity_score, length_chars, length_words, created_at)
     select $1, gen_random_uuid(), 'x', 'en', n % 101 / 10.0, n % 97 / 10.0, n % 89 / 10.0, n % 83 / 10.0, 1, 1,
            '2026-01-01Z'::timestamptz + n / 100 * interval '1 minute'
       from generate_series(1, $2::int) as n`,
    [organization, analyses],
  );
  await client.query(
    `insert into ops.judge_score (organization_id, analysis_run_id, criterion_id, score)
     select $1, r.analysis_run_id, ('00000000-0000-0000-0000-00000000000' || row_number() over () % 2)::uuid,
            round(r.overall_score::numeric, 1)
       from core.analysis_results r where r.organization_id = $1`,
    [organization],
  );
}

/** Blocks that a statement reads with the rights of a request, and how it finds the rows. */
async function cost(
  sql: string,
  values: unknown[] = [],
): Promise<{ blocks: number; rows: number; plan: string }> {
  return await asMember(database, key, async (client) => {
    // Once before, so that the catalogue's blocks do not count
    await client.query(sql, values);
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: Plan }] }>(
      `explain (analyze, buffers, timing off, format json) ${sql}`,
      values,
    );
    const plan = rows[0]!["QUERY PLAN"][0].Plan;
    return {
      blocks: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
      rows: plan["Actual Rows"],
      plan: JSON.stringify(plan),
    };
  });
}

interface Plan {
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  "Actual Rows": number;
}

describe("a page of analyses costs the same wherever it is", () => {
  const columns = [
    "created_at",
    "overall_score",
    "judge_score",
    "semantic_entropy",
    "complexity_score",
  ];
  const orders = columns.flatMap((column) => [
    { column, direction: "desc", after: "<" },
    { column, direction: "asc", after: ">" },
  ]);

  test.each(orders)("by $column $direction", async ({ column, direction, after }) => {
    const order = `order by ${column} ${direction}, id ${direction}`;
    const [last] = await database.query<{ value: unknown; id: string }>(
      `select ${column}::text as value, id from core.analysis_results where organization_id = $1
        ${order} offset $2 limit 1`,
      [ours.id, analyses - pageSize - 1],
    );
    const page = (condition: string) =>
      `select id, ${column}, prompt_content from core.analysis_results ${condition} ${order} limit ${pageSize}`;
    const first = await cost(page(""));
    const final = await cost(
      page(
        `where (${column}, id) ${after} ($1::${
          column === "created_at" ? "timestamptz" : "float8"
        }, $2::varchar)`,
      ),
      [last?.value, last?.id],
    );
    expect([first.rows, final.rows]).toEqual([pageSize, pageSize]);
    expect(first.plan).not.toMatch(/"Sort"/);
    // To sort the few rows that are left is as good
    expect(final.plan).not.toMatch(/Removed by Filter/);
    expect(final.blocks).toBeLessThan(1.2 * first.blocks + 10);
  });

  test("the API's cursors are of this form, and lead through all of them once", async () => {
    const { analysisResults } = await graphqlData<
      { analysisResults: { pageInfo: { endCursor: string } } }
    >(gateway.url, {
      key,
      query:
        "{ analysisResults(first: 1, orderBy: OVERALL_SCORE_DESC) { pageInfo { endCursor } } }",
    });
    const cursor = JSON.parse(
      Buffer.from(analysisResults.pageInfo.endCursor, "base64").toString(),
    ) as unknown[];
    const [{ id } = { id: "" }] = await database.query<{ id: string }>(
      `select id from core.analysis_results where organization_id = $1 order by overall_score desc, id desc limit 1`,
      [ours.id],
    );
    expect(cursor.slice(1)).toEqual([10, id]);

    const seen = new Set<string>();
    let after: string | null = null;
    for (let more = true; more;) {
      const { analysisResults: page }: {
        analysisResults: {
          nodes: { id: string }[];
          pageInfo: { endCursor: string; hasNextPage: boolean };
        };
      } = await graphqlData(gateway.url, {
        key,
        query: `query ($after: Cursor) {
          analysisResults(first: 100, orderBy: COMPLEXITY_SCORE_ASC, after: $after, filter: { complexityScore: { lessThan: 1 } }) {
            nodes { id } pageInfo { endCursor hasNextPage }
          }
        }`,
        variables: { after },
      });
      for (const { id } of page.nodes) seen.add(id);
      after = page.pageInfo.endCursor;
      more = page.pageInfo.hasNextPage;
    }
    const expected = await database.query<{ id: string }>(
      "select id from core.analysis_results where organization_id = $1 and complexity_score < 1",
      [ours.id],
    );
    expect(seen).toEqual(new Set(expected.map(({ id }) => id)));
    expect(seen.size).toBeGreaterThan(2000);
  });
});

test.each(["overall_score", "judge_score", "semantic_entropy", "complexity_score"])(
  "analyses with a %s in a range are found by index",
  async (column) => {
    const { rows, plan } = await cost(
      `select id from core.analysis_results where ${column} >= 4 and ${column} <= 4.2 order by ${column} desc, id desc limit 1000`,
    );
    expect(rows).toBeGreaterThan(500);
    expect(plan).toMatch(new RegExp(`"Index Name":"idx_analysis_results_${column}"`));
    expect(plan).not.toMatch(/Removed by Filter|Removed by Index Recheck":[1-9]/);
  },
);

describe("judgeScoresByScore", () => {
  const find = (arguments_: string, credential = key) =>
    graphqlData<
      { judgeScoresByScore: { totalCount: number; nodes: { score: string; id: string }[] } }
    >(
      gateway.url,
      {
        key: credential,
        query: `{ judgeScoresByScore(${arguments_}) { totalCount nodes { id score } } }`,
      },
    ).then(({ judgeScoresByScore }) => judgeScoresByScore);

  test.each([true, false])(
    "finds scores from one value to another, of one's own organization (highest first: %s)",
    async (highestFirst) => {
      const another = await makeOrganization(database);
      const foreignKey = await makeKey(database, another, ["analyses:read"]);
      const criterion = "00000000-0000-0000-0000-000000000001";
      for (
        const [range, condition] of [
          ["", "true"],
          ["atLeast: 9.8,", "score >= 9.8"],
          ["atMost: 0.2,", "score <= 0.2"],
          ["atLeast: 9.8, atMost: 9.9,", "score between 9.8 and 9.9"],
          [
            `atLeast: 9.8, criterionId: "${criterion}",`,
            `score >= 9.8 and criterion_id = '${criterion}'`,
          ],
        ]
      ) {
        const expected = await database.query<{ score: number; id: string }>(
          `select score::float8 as score, id from ops.judge_score where organization_id = $1 and ${condition}
            order by ${
            highestFirst ? "score desc, occurred_at desc, id desc" : "score, occurred_at, id"
          }`,
          [ours.id],
        );
        const found = await find(`${range} highestFirst: ${highestFirst}`);
        expect([range, found.totalCount]).toEqual([range, expected.length]);
        expect(found.nodes.map(({ score, id }) => ({ score, id }))).toEqual(expected.slice(0, 100));
        expect(found.nodes.length).toBe(100);
        expect((await find(`${range} highestFirst: ${highestFirst}`, foreignKey)).totalCount).toBe(
          0,
        );
      }
    },
  );

  test("reads what it answers", async () => {
    const some = await cost("select * from ops.judge_scores_by_score(9.9, 10)");
    const all = await cost("select * from ops.judge_scores_by_score(0, 10)");
    expect(some.rows).toBeGreaterThan(300);
    expect(all.rows).toBe(analyses);
    expect(some.blocks).toBeLessThan(some.rows + 30);
  });
});

describe("prompts", () => {
  const perOrganization = 50;

  beforeAll(async () => {
    await fill(20);
  });

  /** Makes organizations whose prompts all have a word, mixed with each other. */
  async function fill(organizations: number): Promise<void> {
    await withClient(database.adminUrl, async (client) => {
      await client.query("set session_replication_role = replica");
      await client.query(
        `with o as (
           insert into ops.organization (id, slug, name)
           select gen_random_uuid(), 'o-' || gen_random_uuid(), 'x' from generate_series(1, $2) returning id
         ), p as (
           insert into core.prompts (organization_id, name, content, language, format_type, tags)
           select o.id, 'prompt ' || n, 'usual word ' || case n % 10 when 0 then 'seldom' else '' end || ' w' || n,
                  case n % 10 when 0 then 'de' else 'en' end, case n % 10 when 0 then 'xml' else 'text' end, '["t"]'
             from generate_series(1, $3::int) as n, (select id from o union all select $1 where $4) as o
           returning organization_id, id, created_at, name, description, content
         )
         insert into app.prompt_search
         select organization_id, id, created_at, app.prompt_document(name, description, content) from p`,
        [ours.id, organizations, perOrganization, organizations === 20],
      );
      await client.query("vacuum analyze core.prompts, app.prompt_search");
    });
  }

  test("a search in one organization does not read what ten times as many others have", async () => {
    const searches = [
      "usual",
      "usual word",
      "seldom usual",
      "seldom -w10",
      "-seldom",
      "usual or w7",
    ];
    const read = async () => {
      const found = new Map<string, number>();
      for (const search of searches) {
        const { rows, blocks } = await cost("select * from core.search_prompts($1)", [search]);
        expect(rows, search).toBeGreaterThan(0);
        found.set(search, blocks);
      }
      return found;
    };
    const among20 = await read();
    await fill(200);
    const among220 = await read();
    for (const search of searches) {
      expect([search, among220.get(search)! < 1.5 * among20.get(search)! + 4 * perOrganization])
        .toEqual([search, true]);
    }
  });

  test.each(["language = 'de'", "format_type = 'xml'"])(
    "those with %s are read by index, newest first",
    async (condition) => {
      const { rows, plan } = await cost(
        `select id from core.prompts where ${condition} order by created_at desc, id desc limit 3`,
      );
      expect(rows).toBe(3);
      expect(plan).not.toMatch(/Removed by Filter|"Sort"/);
    },
  );

  test("are filtered and ordered through the API", async () => {
    const { prompts } = await graphqlData<{ prompts: { totalCount: number } }>(gateway.url, {
      key,
      query:
        `{ prompts(filter: { language: { equalTo: "de" }, formatType: { equalTo: "xml" } }) { totalCount } }`,
    });
    expect(prompts.totalCount).toBe(perOrganization / 10);
    for (const column of ["name", "createdAt", "updatedAt"]) {
      const constant = column.replace(/[A-Z]/, "_$&").toUpperCase();
      const read = async (direction: string) =>
        (await graphqlData<{ prompts: { nodes: { id: string }[] } }>(gateway.url, {
          key,
          query: `{ prompts(orderBy: ${constant}_${direction}) { nodes { id } } }`,
        })).prompts.nodes;
      const up = await read("ASC");
      expect(up).toHaveLength(perOrganization);
      expect(await read("DESC")).toEqual(up.toReversed());
    }
  });
});
