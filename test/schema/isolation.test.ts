import { beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";

/** No table is readable across organizations: by a member, by an analyst, with or without a filter. */

const database = withTestDatabase();

const ALL_READS = ["prompts:read", "analyses:read", "workflows:read", "rubrics:read", "marts:read"]
  .concat(["members:read", "audit:read", "keys:write", "credentials:write"]);

/** Tables with a tenant column that members may read, and the rows that each organization gets. */
const tables = [
  "core.prompts",
  "core.prompt_relations",
  "core.prompt_versions",
  "core.analysis_results",
  "core.workflow_runs",
  "core.workflow_nodes",
  "core.evaluation_metrics",
  "ops.organization_user",
  "ops.api_key",
  "ops.invitation",
  "ops.provider_credential",
  "ops.analysis_run",
  "ops.analysis_metric",
  "ops.analysis_node_result",
  "ops.judge_rubric",
  "ops.judge_criterion",
  "ops.judge_score",
  "ops.feature_event",
  "ops.audit_log",
  "mart.metric_timeseries",
  "mart.feature_daily",
  "mart.analysis_daily",
  "mart.analysis_daily_by",
  "mart.analysis_hourly",
];
const notForAnalysts = [
  "ops.api_key",
  "ops.invitation",
  "ops.provider_credential",
  "ops.audit_log",
];

let ours: TestOrganization;
let theirs: TestOrganization;
let key: string;
let analyst: string;

beforeAll(async () => {
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
  for (const { id } of [ours, theirs]) await fill(id);
  await database.query("select app.mart_refresh_all()");
  key = await makeKey(database, ours, ALL_READS);
  await makeKey(database, theirs, ALL_READS);
  analyst = await makeAnalyst(database, [ours]);
});

async function fill(organization: string): Promise<void> {
  await database.query(
    `with p as (
       insert into core.prompts (organization_id, name, content) values ($1, 'a', 'a'), ($1, 'b', 'b') returning id
     ), r as (
       insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
       select $1, min(id), max(id), 'overrides' from p
     ), c as (
       insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', 'x')
     ), i as (
       insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
       select $1, m.id, repeat('0', 64), now() + interval '1 day' from ops.organization_user m where m.organization_id = $1
     ), w as (
       insert into core.workflow_runs (organization_id) values ($1) returning id
     ), n as (
       insert into core.workflow_nodes (organization_id, run_id, key) select $1, id, 'k' from w
     )
     insert into core.evaluation_metrics (organization_id, run_id, metric_name, metric_value) select $1, id, 'm', 1 from w`,
    [organization],
  );
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'r') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', 'C' from r`,
    [organization],
  );
  const [line] = await database.query<{ outcome: string }>(
    "select outcome from app.analysis_import($1, $2)",
    [
      organization,
      JSON.stringify([{
        line: 1,
        record: {
          promptContent: "x",
          result: {
            detectedLanguage: "en",
            overallScore: 1,
            judgeScore: 1,
            semanticEntropy: 1,
            complexityScore: 1,
          },
          nodeResults: [{ node: "n", status: "ok" }],
          scores: [{ rubric: "r", criterion: "c", score: 1 }],
        },
      }]),
    ],
  );
  expect(line?.outcome).toBe("inserted");
}

test("every tenant table of core, ops and mart is in the list", async () => {
  const rows = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
      where n.nspname in ('core', 'ops', 'mart') and c.relkind in ('r', 'p')`,
  );
  expect(rows.map(({ name }) => name).toSorted()).toEqual(
    [...tables, "ops.analyst_grant"].toSorted(),
  );
});

describe.each(tables)("%s", (table) => {
  const count =
    `select count(*)::int as n, count(*) filter (where organization_id = $1)::int as own from ${table}`;

  test("has rows of both organizations", async () => {
    const [row] = await database.query<{ n: number; own: number }>(count, [theirs.id]);
    expect(row?.own).toBeGreaterThan(0);
    expect(row?.n).toBeGreaterThan(row?.own ?? 0);
  });

  test("a member reads the rows of the request's organization only", async () => {
    const [own] = await asMember(
      database,
      key,
      async (client) => (await client.query(count, [ours.id])).rows,
    );
    expect(own.own).toBeGreaterThan(0);
    expect(own.n).toBe(own.own);
    const [other] = await asMember(
      database,
      key,
      async (client) =>
        (await client.query(`select count(*)::int as n from ${table} where organization_id = $1`, [
          theirs.id,
        ])).rows,
    );
    expect(other.n).toBe(0);
  });

  test("a key without the permission reads nothing", async () => {
    const ingest = await makeKey(database, ours, ["features:write"]);
    const [row] = await asMember(
      database,
      ingest,
      async (client) => (await client.query(count, [ours.id])).rows,
    );
    expect(row).toEqual({ n: 0, own: 0 });
  });

  test("without credentials it cannot be read", async () => {
    await expect(
      asMember(database, null, (client) => client.query(`select from ${table}`)),
    ).rejects.toMatchObject({ code: "42501" });
  });

  test("an analyst reads the organizations granted to them, whatever they set", async () => {
    if (notForAnalysts.includes(table)) {
      await expect(query(analyst, `select from ${table}`)).rejects.toMatchObject({ code: "42501" });
      return;
    }
    const [own] = await query<{ n: number; own: number }>(analyst, count, [ours.id]);
    expect(own?.own).toBeGreaterThan(0);
    expect(own?.n).toBe(own?.own);
    const forged = await query<{ n: number }>(
      analyst,
      `with forged as materialized (
         select set_config('curestry.organization_id', $1::text, false),
                set_config('curestry.permissions', ' prompts:read analyses:read marts:read ', false))
       select count(*)::int as n from forged, ${table} where organization_id = $1::uuid`,
      [theirs.id],
    );
    expect(forged[0]?.n).toBe(0);
  });

  test("an analyst cannot write", async () => {
    await expect(query(analyst, `delete from ${table}`)).rejects.toThrow();
    await expect(query(analyst, `set transaction_read_only = off; delete from ${table}`)).rejects
      .toMatchObject({ code: "42501" });
  });

  test("a member cannot move a row to another organization", async () => {
    await expect(
      asMember(
        database,
        key,
        (client) => client.query(`update ${table} set organization_id = $1`, [theirs.id]),
      ),
    ).rejects.toMatchObject({ code: "42501" });
  });
});

test("the gateway's login reads nothing before a credential was accepted", async () => {
  for (const table of tables) {
    await expect(query(database.gatewayUrl, `select from ${table}`)).rejects.toMatchObject({
      code: "42501",
    });
  }
});

test("a member of one organization cannot point at rows of another", async () => {
  const [foreign] = await database.query<{ id: string }>(
    "select id from core.prompts where organization_id = $1 limit 1",
    [theirs.id],
  );
  const [own] = await database.query<{ id: string }>(
    "select id from core.prompts where organization_id = $1 limit 1",
    [ours.id],
  );
  const writer = await makeKey(database, ours, ["prompts:read", "prompts:write"]);
  const relate = (target: string | undefined) =>
    asMember(database, writer, (client) =>
      client.query(
        "insert into core.prompt_relations (source_id, target_id, relation_type) values ($1, $2, 'depends_on')",
        [own?.id, target],
      ));
  await expect(relate(foreign?.id)).rejects.toMatchObject({ code: "23503" });
  const [second] = await database.query<{ id: string }>(
    "select id from core.prompts where organization_id = $1 and id <> $2",
    [ours.id, own?.id],
  );
  await relate(second?.id);
});
