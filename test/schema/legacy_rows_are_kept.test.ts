import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, inject, test } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { withClient } from "../../src/database/open_client.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { query } from "../helpers/database.ts";

/** A database of the old backends is taken forward by `migrate`, with every row. */

const MAIN = ["prompts", "prompt_relations", "analysis_results"];
const PUBLIC = [
  "users",
  "sessions",
  "auth_accounts",
  "workflow_runs",
  "workflow_nodes",
  "evaluation_metrics",
];

const MAIN_ROWS = `
  insert into prompts (id, name, content, tags) values
    ('11111111-1111-4111-8111-111111111111', 'Sound', 'a b', '["x"]'),
    ('not-a-uuid', 'Empty text, no tags', '', null);
  insert into prompt_relations (id, source_id, target_id, relation_type) values
    ('r1', 'not-a-uuid', '11111111-1111-4111-8111-111111111111', 'depends_on'),
    ('r2', 'not-a-uuid', '11111111-1111-4111-8111-111111111111', 'depends_on'),
    ('r3', 'not-a-uuid', 'not-a-uuid', 'overrides');
  insert into analysis_results
    (id, prompt_id, prompt_content, detected_language, overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words, created_at) values
    ('22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111', 'a', 'en', 5, 6, 0.5, 3, 1, 1, '2025-02-03T04:05:06Z'),
    ('old', null, 'a', 'en', 7, 6, 'NaN', 3, 1, 1, '2025-02-03T05:05:06Z');`;

const PUBLIC_ROWS = `
  insert into users (email, name) values
    ('ann@x.example', 'Ann'), ('ANN@x.example', 'Ann again'), (null, null), ('not an address', 'Odd');
  insert into sessions (user_id, jwt_id, expires_at) values (1, 'j1', now() + interval '1 day'), (2, 'j2', now() - interval '1 day');
  insert into auth_accounts (user_id, provider, provider_account_id, access_token) values (1, 'github', '42', 'encrypted');
  insert into workflow_runs (user_id, status) values (1, 'running'), (null, 'success');
  insert into workflow_nodes (run_id, key, status) values (1, 'n', 'success'), (2, 'n', 'pending');
  insert into evaluation_metrics (run_id, metric_name, metric_value, created_at) values
    (1, 'm', 1, '2025-01-01'), (1, 'm', 2, '2025-01-01'), (2, 'm', 'NaN', '2025-01-01');`;

const server = inject("server");
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A database as the old backends left it: their tables, of an owner of their own, with rows. */
async function makeLegacyDatabase(tables: string[], rows: string): Promise<string> {
  const id = randomBytes(6).toString("hex");
  const name = `curestry_test_${Math.floor(Date.now() / 1000)}_${id}`;
  const owner = `test_legacy_${id}`;
  await withClient(server.url, async (client) => {
    await client.query(`create database ${name}`);
    await client.query(`create role ${owner}`);
  });
  cleanups.push(() =>
    withClient(server.url, async (client) => {
      await client.query(`drop database ${name} with (force)`);
      await client.query(`drop role ${owner}`);
    })
  );
  const url = databaseUrl(server.url, name);
  const first = await readFile(
    join(migrationsFolder, "committed/000001-current-tables.sql"),
    "utf8",
  );
  const wanted = first.split(/;\n/).filter((statement) =>
    tables.some((table) =>
      new RegExp(`(create table if not exists|on) public\\.${table}\\b`).test(statement)
    )
  );
  await withClient(url, async (client) => {
    await client.query(`grant create on schema public to ${owner}; set role ${owner}`);
    for (const statement of wanted) await client.query(statement);
    await client.query(rows);
  });
  return url;
}

async function migrate(url: string) {
  return await migrateDatabase(url, {
    passwords: { curestry_gateway: null, curestry_worker: null },
  });
}

describe.each([
  ["both old backends", [...MAIN, ...PUBLIC], MAIN_ROWS + PUBLIC_ROWS],
  ["the main backend alone", MAIN, MAIN_ROWS],
  ["the public backend alone", PUBLIC, PUBLIC_ROWS],
])("%s", (_, tables, rows) => {
  test("keeps every row and every value, gives it an organization and accounts for it", async () => {
    const url = await makeLegacyDatabase(tables, rows);
    const before = new Map<string, Record<string, unknown>[]>();
    for (const table of tables) {
      before.set(
        table,
        (await query(url, `select to_jsonb(t) as row from public.${table} t order by id`)).map((
          r,
        ) => r.row),
      );
    }
    const summary = await migrate(url);

    expect(summary.legacy.map(({ sourceTable }) => sourceTable)).toEqual(tables.toSorted());
    for (const { sourceTable, rowsFound, rowsKept } of summary.legacy) {
      expect(rowsFound).toBe(before.get(sourceTable)?.length);
      expect(rowsKept).toBe(rowsFound);
    }
    for (const [table, old] of before) {
      const now = (await query(url, `select to_jsonb(t) as row from core.${table} t order by id`))
        .map((r) => r.row);
      expect(now).toHaveLength(old.length);
      for (const [n, row] of old.entries()) {
        const changed = Object.entries(row).filter(([, value]) => value !== null);
        expect(now[n]).toMatchObject(Object.fromEntries(changed));
      }
    }
    const left = await query(
      url,
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')",
    );
    expect(left).toEqual([]);
  });
});

test("rows go to the personal organization of their user, and ownerless rows to one made for them", async () => {
  const url = await makeLegacyDatabase([...MAIN, ...PUBLIC], MAIN_ROWS + PUBLIC_ROWS);
  const { legacy } = await migrate(url);
  const owners = await query(
    url,
    `select 'run ' || r.id as row, o.slug from core.workflow_runs r join ops.organization o on o.id = r.organization_id
     union all select 'node ' || n.id, o.slug from core.workflow_nodes n join ops.organization o on o.id = n.organization_id
     union all select 'prompt ' || p.name, o.slug from core.prompts p join ops.organization o on o.id = p.organization_id
     order by 1`,
  );
  expect(owners).toEqual([
    { row: "node 1", slug: "user-1" },
    { row: "node 2", slug: "legacy" },
    { row: "prompt Empty text, no tags", slug: "legacy" },
    { row: "prompt Sound", slug: "legacy" },
    { row: "run 1", slug: "user-1" },
    { row: "run 2", slug: "legacy" },
  ]);
  const members = await query(
    url,
    "select o.slug, m.user_id, m.role, m.status from ops.organization_user m join ops.organization o on o.id = m.organization_id order by 2",
  );
  expect(members).toHaveLength(4);
  expect(members[0]).toEqual({ slug: "user-1", user_id: 1, role: "owner", status: "active" });

  // What a rule refuses today is kept, and said
  const notes = Object.fromEntries(legacy.map(({ sourceTable, note }) => [sourceTable, note]));
  expect(notes.prompts).toMatch(/1 rows do not meet chk_prompts_content/);
  expect(notes.analysis_results).toMatch(/chk_analysis_results_semantic_entropy/);
  expect(notes.evaluation_metrics).toMatch(
    /unq_evaluation_metrics_run_node_metric holds for newer rows/,
  );
  expect(notes.users).toMatch(/stand more than once but for case/);
  expect(notes.auth_accounts).toBeNull();
  await expect(
    query(
      url,
      "insert into core.prompts (organization_id, name, content) select id, 'x', '' from ops.organization where slug = 'legacy'",
    ),
  )
    .rejects.toMatchObject({ constraint: "chk_prompts_content" });
});

test("analyses of the old backend have a run and metrics, and stand in the marts", async () => {
  const url = await makeLegacyDatabase(MAIN, MAIN_ROWS);
  await migrate(url);
  const runs = await query(
    url,
    "select r.id = d.analysis_run_id as linked, r.status, r.finished_at = d.created_at as ended from core.analysis_results d join ops.analysis_run r on r.id = d.analysis_run_id",
  );
  expect(runs).toEqual([{ linked: true, status: "succeeded", ended: true }, {
    linked: true,
    status: "succeeded",
    ended: true,
  }]);
  const [metrics] = await query(url, "select count(*)::int as n from ops.analysis_metric");
  expect(metrics?.n).toBe(11); // six each, less the one that is no number
  await query(url, "select app.mart_refresh_all()");
  expect(await query(url, "select * from app.mart_check_all()")).toEqual([]);
  const days = await query(
    url,
    "select day::text, analyses, avg_overall::float, avg_entropy::float from mart.analysis_daily",
  );
  expect(days).toEqual([{ day: "2025-02-03", analyses: 2, avg_overall: 6, avg_entropy: 0.5 }]);
});

test("prompts have their text as version 1, and an analysis of just that text is linked to it", async () => {
  const url = await makeLegacyDatabase(
    MAIN,
    MAIN_ROWS +
      `insert into analysis_results
         (id, prompt_id, prompt_content, detected_language, overall_score, judge_score, semantic_entropy, complexity_score, length_chars, length_words)
       values ('same', '11111111-1111-4111-8111-111111111111', 'a b', 'en', 5, 6, 0.5, 3, 3, 2)`,
  );
  await migrate(url);
  const versions = await query(
    url,
    "select prompt_id, version, content from core.prompt_versions order by content",
  );
  expect(versions).toEqual([
    { prompt_id: "not-a-uuid", version: 1, content: "" },
    { prompt_id: "11111111-1111-4111-8111-111111111111", version: 1, content: "a b" },
  ]);
  const links = await query(
    url,
    `select d.prompt_content, v.version, d.prompt_version_id is not distinct from r.prompt_version_id as same
       from core.analysis_results d
       join ops.analysis_run r on r.id = d.analysis_run_id
       left join core.prompt_versions v on v.id = d.prompt_version_id
      where d.prompt_id is not null order by 1`,
  );
  expect(links).toEqual([
    { prompt_content: "a", version: null, same: true },
    { prompt_content: "a b", version: 1, same: true },
  ]);
  expect(await query(url, "select * from app.audit_verify_entities()")).toEqual([]);
});

test("the organization that nobody owns can be taken over, once", async () => {
  const url = await makeLegacyDatabase(MAIN, MAIN_ROWS);
  await migrate(url);
  const take =
    "select slug, name from app.organization_create('legacy', 'Ours now', 'owner@x.example')";
  expect(await query(url, take)).toEqual([{ slug: "legacy", name: "Ours now" }]);
  await expect(query(url, take)).rejects.toMatchObject({ code: "CU005" });
});

test("a table that lacks a column of the specification stops the migration before anything is changed", async () => {
  const url = await makeLegacyDatabase(
    MAIN,
    MAIN_ROWS + "alter table prompts drop column language;",
  );
  await expect(migrate(url)).rejects.toThrow(/public\.prompts\.language/);
  expect(await query(url, "select count(*)::int as n from public.prompts")).toEqual([{ n: 2 }]);
});

test("a second migration finds nothing to do, and says what became of the rows again", async () => {
  const url = await makeLegacyDatabase(MAIN, MAIN_ROWS);
  const first = await migrate(url);
  const second = await migrate(url);
  expect(first.applied.length).toBeGreaterThan(0);
  expect(second.applied).toEqual([]);
  expect(second.legacy).toEqual(first.legacy);
});
