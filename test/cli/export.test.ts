import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";
import { sealAll } from "../helpers/seal.ts";

/** All of an organization's or a person's data in one file: nothing is missing, and no secret is in it. */

const database = withTestDatabase();
const gateway = withGateway(database);
let folder: string;
let ours: TestOrganization;
let theirs: TestOrganization;
let person: TestPerson;
let colleague: TestPerson;

interface Header {
  format: string;
  version: number;
  kind: string;
  organization?: { id: string; slug: string };
  user?: { id: number; email: string };
  exportedAt: string;
  tables: Record<string, number>;
}
interface Line {
  table: string;
  row: Record<string, unknown>;
}
interface End {
  end: boolean;
  rows: number;
  sha256: string;
}

/** Reads an archive and checks that it is whole. */
function parse(text: string): { header: Header; lines: Line[]; end: End } {
  expect(text.endsWith("\n")).toBe(true);
  const all = text.split("\n").slice(0, -1);
  const last = all.at(-1) ?? "";
  const [header, ...rest] = all.slice(0, -1).map((line) => JSON.parse(line));
  const end: End = JSON.parse(last);
  expect(end.end).toBe(true);
  expect(end.rows).toBe(rest.length);
  const before = text.slice(0, text.length - last.length - 1);
  expect(end.sha256).toBe(createHash("sha256").update(before).digest("hex"));
  const lines: Line[] = rest;
  const counts: Record<string, number> = {};
  for (const { table } of lines) counts[table] = (counts[table] ?? 0) + 1;
  expect(counts).toEqual(
    Object.fromEntries(Object.entries(header.tables).filter(([, rows]) => rows !== 0)),
  );
  return { header, lines, end };
}

const of = (lines: Line[], table: string) =>
  lines.filter((line) => line.table === table).map(({ row }) => row);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "curestry-export-"));
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
  person = await makePerson(database, "person@x.example");
  colleague = await makePerson(database, "colleague@x.example");
  for (const { userId } of [person, colleague]) {
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
      [ours.id, userId],
    );
  }
  await makeAnalyst(database, [ours, theirs]);
  for (const organization of [ours, theirs]) await fill(organization);
  await database.query(
    `insert into core.auth_accounts (user_id, provider, provider_account_id, access_token, refresh_token, raw_profile)
     select u, 'github', 'account ' || u, 'secret-access', 'secret-refresh', '{"secret": "secret-profile"}' from unnest($1::int[]) as u`,
    [[person.userId, colleague.userId]],
  );
  await database.query("select app.mart_refresh_all()");
  await sealAll(database);
  await database.query(
    `with r as (
       insert into app.audit_retention (partition_name, from_ts, to_ts, table_name) values ('x', now(), now(), 'x') returning id
     )
     insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
     select unnest($1::uuid[]), 900, r.id, gen_random_uuid(), '{[1,2)}' from r`,
    [[ours.id, theirs.id]],
  );
  await database.query(
    `with state as (
       insert into app.mart_state (organization_id, time_zone) select unnest($1::uuid[]), 'UTC'
     )
     insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
     select unnest($1::uuid[]), '2020-01-01Z', '2020-01-03Z', '2020-01-02Z', '2020-01-02Z'`,
    [[ours.id, theirs.id]],
  );
  await database.query(
    "insert into app.mart_change (organization_id, source, hour) select unnest($1::uuid[]), 'metric', '2020-01-01Z'",
    [[ours.id, theirs.id]],
  );
  await database.query(
    "insert into app.organization_creation (organization_id, user_id) values ($1, $2), ($3, $4)",
    [ours.id, ours.ownerUserId, theirs.id, theirs.ownerUserId],
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Something in every table. */
async function fill({ id, slug }: TestOrganization): Promise<void> {
  const key = await makeKey(database, { id, slug, ownerUserId: 0, ownerEmail: "" }, [
    "prompts:write",
    "prompts:read",
    "analyses:write",
    "features:write",
  ]);
  await database.query(
    `with p as (
       insert into core.prompts (organization_id, name, content) values ($1, 'a', 'text a'), ($1, 'b', 'text b') returning id
     ), r as (
       insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
       select $1, min(id), max(id), 'overrides' from p
     ), c as (
       insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', 'secret-credential')
     ), i as (
       insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
       select $1, m.id, repeat('5ec2e7', 10) || 'ffff', now() + interval '1 day' from ops.organization_user m where m.organization_id = $1 limit 1
     ), w as (
       insert into core.workflow_runs (organization_id) values ($1) returning id
     ), n as (
       insert into core.workflow_nodes (organization_id, run_id, key) select $1, id, 'k' from w
     )
     insert into core.evaluation_metrics (organization_id, run_id, metric_name, metric_value) select $1, id, 'm', 1 from w`,
    [id],
  );
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'r') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', 'C' from r`,
    [id],
  );
  await recordAnalyses(
    gateway.url,
    key,
    Array.from({ length: 250 }, (_, n) => ({
      promptContent: `text ${n} of ${slug}`,
      idempotencyKey: `${n}`,
      result: RESULT,
      nodeResults: [{ node: "n", status: "ok" }],
      scores: [{ rubric: "r", criterion: "c", score: 1 }],
    })),
  );
}

describe("of an organization", () => {
  let file: string;
  let archive: ReturnType<typeof parse>;

  beforeAll(async () => {
    file = join(folder, "organization.jsonl");
    const summary = await cliJson<{ rows: number; sha256: string; output: string }>(
      ["export", "organization", ours.slug, "--output", file],
      { env: database.env },
    );
    archive = parse(await readFile(file, "utf8"));
    expect(summary).toMatchObject({
      output: file,
      rows: archive.end.rows,
      sha256: archive.end.sha256,
    });
  });

  test("has every row of every table that has an organization, and none of another", async () => {
    const { header, lines } = archive;
    expect(header).toMatchObject({
      format: "curestry-export",
      version: 1,
      kind: "organization",
      organization: { id: ours.id, slug: ours.slug },
    });
    const tables = await database.query<{ name: string }>(
      `select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
        where n.nspname not in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'p') and not c.relispartition
          and n.nspname || '.' || c.relname <> 'app.prompt_search'`,
    );
    expect(tables.length).toBeGreaterThan(20);
    // The words of the prompts, which are exported
    expect(header.tables).not.toHaveProperty(["app.prompt_search"]);
    for (const { name } of tables) {
      const [row] = await database.query<{ own: number; others: number }>(
        `select count(*) filter (where organization_id = $1)::int as own,
                count(*) filter (where organization_id <> $1)::int as others from ${name}`,
        [ours.id],
      );
      expect(row?.own, name).toBeGreaterThan(0);
      expect(row?.others, name).toBeGreaterThan(0);
      expect(header.tables[name], name).toBe(row?.own);
      expect(of(lines, name).every((row) => row.organization_id === ours.id), name).toBe(true);
    }
    expect(of(lines, "ops.organization").map(({ id }) => id)).toEqual([ours.id]);
    expect(of(lines, "core.users").map(({ email }) => email).toSorted()).toEqual(
      [ours.ownerEmail, person.email, colleague.email].toSorted(),
    );
  });

  test("can be read in from top to bottom: what a row points to stands before it", async () => {
    const order = Object.keys(archive.header.tables);
    const references = await database.query<{ from: string; to: string }>(
      `select n.nspname || '.' || c.relname as from, m.nspname || '.' || t.relname as to
         from pg_constraint k
         join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
         join pg_class t on t.oid = k.confrelid join pg_namespace m on m.oid = t.relnamespace
        where k.contype = 'f' and k.conrelid <> k.confrelid and not c.relispartition`,
    );
    const wrong = references.filter(({ from, to }) =>
      order.includes(from) && order.includes(to) && order.indexOf(from) < order.indexOf(to)
    );
    expect(references.length).toBeGreaterThan(30);
    expect(wrong).toEqual([]);
  });

  test("holds no secret", async () => {
    const text = await readFile(file, "utf8");
    for (const secret of ["secret-", "5ec2e75ec2e7", "key_hash", "code_hash", "jwt_id"]) {
      expect(text.includes(secret), secret).toBe(false);
    }
    const secrets = await database.query<{ table: string; columns: string[] }>(
      "select table_name as table, secret_columns as columns from app.audited_table where secret_columns <> '{}'",
    );
    expect(secrets.length).toBeGreaterThan(4);
    for (const { table, columns } of secrets) {
      for (const row of of(archive.lines, table)) {
        for (const column of columns) expect(row, table).not.toHaveProperty(column);
      }
    }
  });

  test("holds the values as they are", async () => {
    const [stored] = await database.query<{ row: Record<string, unknown> }>(
      "select to_jsonb(p) as row from core.prompts p where organization_id = $1 and name = 'a'",
      [ours.id],
    );
    expect(of(archive.lines, "core.prompts")).toContainEqual(stored?.row);
  });

  test("is a file of its own, for nobody else's eyes, and nothing else is left", async () => {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).filter((name) => name.includes("partial"))).toEqual([]);
    const { code, stderr } = await cli(
      ["export", "organization", "no-such", "--output", join(folder, "none.jsonl")],
      { env: database.env },
    );
    expect(code).toBe(1);
    expect(stderr).toContain("There is no organization with the slug 'no-such'");
    expect(await readdir(folder)).not.toContain("none.jsonl");
  });

  test("goes to standard output without --output, which --json has other use for", async () => {
    const { code, stdout, stderr } = await cli(["export", "organization", ours.slug], {
      env: database.env,
    });
    expect(code).toBe(0);
    expect(parse(stdout).header.tables).toEqual(archive.header.tables);
    expect(stderr).toContain(`Exported ${archive.end.rows} rows`);
    const both = await cli(["export", "organization", ours.slug, "--json"], { env: database.env });
    expect(both.code).toBe(2);
  });

  test("is of one moment, while others write", async () => {
    let stop = false;
    const writer = withClient(database.adminUrl, async (client) => {
      // A prompt and its version are one transaction: an archive has both or neither
      for (let n = 0; !stop; n++) {
        await client.query(
          "insert into core.prompts (organization_id, id, name, content) values ($1, $2, 'w', 'w')",
          [ours.id, `w${n}`],
        );
      }
    });
    try {
      const { stdout } = await cli(["export", "organization", ours.slug], { env: database.env });
      const { lines } = parse(stdout);
      expect(of(lines, "core.prompt_versions").map((row) => row.prompt_id).toSorted()).toEqual(
        of(lines, "core.prompts").map(({ id }) => id).toSorted(),
      );
    } finally {
      stop = true;
      await writer;
    }
  });
});

describe("of a person", () => {
  let archive: ReturnType<typeof parse>;
  let promptId: string;
  let runId: string;

  beforeAll(async () => {
    const send = (who: TestPerson, operation: string, organization?: string) =>
      graphqlData<Record<string, Record<string, { id: string }>>>(gateway.url, {
        token: who.token,
        ...(organization === undefined ? {} : { organization }),
        query: `mutation { ${operation} }`,
      });
    const create = (who: TestPerson, content: string, organization?: string) =>
      send(
        who,
        `createPrompt(input: { prompt: { name: "p", content: "${content}" } }) { prompt { id } }`,
        organization,
      );
    promptId = (await create(person, "mine in ours", ours.slug)).createPrompt?.prompt?.id ?? "";
    await create(colleague, "a colleague's", ours.slug);
    await create(person, "mine alone");
    await create(colleague, "the colleague's alone");
    const started = await send(
      person,
      `startAnalysisRun(input: { promptContent: "run of mine" }) { result { id } }`,
      ours.slug,
    );
    runId = started.startAnalysisRun?.result?.id ?? "";
    await send(
      person,
      `finishAnalysisRun(input: { id: "${runId}", result: { detectedLanguage: "en", overallScore: 1, judgeScore: 1, semanticEntropy: 1, complexityScore: 1 } }) { result { id } }`,
      ours.slug,
    );
    await send(
      person,
      `inviteMember(input: { email: "third@z.example", role: "viewer" }) { result { userId } }`,
      ours.slug,
    );
    const { stdout, code } = await cli(["export", "user", person.email.toUpperCase()], {
      env: database.env,
    });
    expect(code).toBe(0);
    archive = parse(stdout);
  });

  test("has their account, what they made, and the whole of their personal organization", async () => {
    const { header, lines } = archive;
    expect(header).toMatchObject({
      kind: "user",
      user: { id: person.userId, email: person.email },
    });
    expect(of(lines, "core.users").map(({ id }) => id)).toEqual([person.userId]);
    expect(of(lines, "core.sessions")).toHaveLength(1);
    expect(of(lines, "core.auth_accounts")).toHaveLength(1);
    expect(of(lines, "core.prompts").map(({ content }) => content).toSorted()).toEqual([
      "mine alone",
      "mine in ours",
    ]);
    expect(of(lines, "core.prompt_versions").map((row) => row.prompt_id)).toContain(promptId);
    expect(of(lines, "ops.analysis_run").map(({ id }) => id)).toEqual([runId]);
    expect(of(lines, "core.analysis_results").map((row) => row.analysis_run_id)).toEqual([runId]);
    expect(of(lines, "ops.analysis_metric")).toHaveLength(6);
    const [personal] = await database.query<{ id: string }>(
      "select id from ops.organization where personal_user_id = $1",
      [person.userId],
    );
    expect(of(lines, "ops.organization").map(({ id }) => id).toSorted()).toEqual(
      [personal?.id, ours.id].toSorted(),
    );
    const [own] = await database.query<{ n: number }>(
      "select count(*)::int as n from ops.audit_log where organization_id = $1",
      [personal?.id],
    );
    expect(own?.n).toBeGreaterThan(2);
    expect(
      of(lines, "ops.audit_log").filter((row) => row.organization_id === personal?.id),
    ).toHaveLength(own?.n ?? -1);
  });

  test("has every table that points to users, so that none is forgotten", async () => {
    const rows = await database.query<{ name: string }>(
      `select distinct n.nspname || '.' || c.relname as name
         from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where k.contype = 'f' and k.confrelid = 'core.users'::regclass and not c.relispartition`,
    );
    expect(rows.length).toBeGreaterThan(8);
    expect(Object.keys(archive.header.tables)).toEqual(
      expect.arrayContaining(rows.map(({ name }) => name)),
    );
  });

  test("has their acts, but nothing of others, and no secret", () => {
    const { lines } = archive;
    const acts = of(lines, "ops.audit_log").filter((row) =>
      row.organization_id === ours.id && row.actor_user_id === person.userId
    );
    expect(acts.map(({ entity_type }) => entity_type)).toContain("core.prompts");
    for (const act of acts) expect(act).not.toHaveProperty("after_state");
    const text = JSON.stringify(lines);
    for (
      const foreign of [
        "colleague@x.example",
        "third@z.example",
        "a colleague's",
        "the colleague's alone",
        theirs.id,
        "secret-",
      ]
    ) expect(text.includes(foreign), foreign).toBe(false);
    expect(text).toContain("person@x.example");
  });
});
