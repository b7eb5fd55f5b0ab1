import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { actingAs, databaseUrl } from "../../src/database/urls.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeOrganization } from "../helpers/make.ts";
import { sqlstate } from "../helpers/sqlstate.ts";

const database = withTestDatabase();
const { env } = database;

interface Check {
  name: string;
  status: string;
  message: string;
  cure: string | null;
}

interface Diagnosis {
  ok: boolean;
  checks: Check[];
}

/** What the migration of a hurried developer does, as the role that migrations act as. */
async function migrate(sql: string): Promise<void> {
  await query(actingAs(database.adminUrl, "curestry_owner"), sql);
}

function find({ checks }: Diagnosis, name: string): Check | undefined {
  return checks.find((check) => check.name === name);
}

test("all is well with a database that was just migrated", async () => {
  const diagnosis = await cliJson<Diagnosis>(["doctor"], { env });
  expect(diagnosis.ok).toBe(true);
  // One for each database that is open
  expect([...new Set(diagnosis.checks.map(({ name }) => name))])
    .toEqual([
      "server",
      "settings",
      "migrations",
      "security",
      "databases",
      "marts",
      "tasks",
      "jobs",
    ]);
  // A developer's server may be one that has to be replaced soon, or have other databases
  expect(find(diagnosis, "server")?.status).toMatch(/^(ok|warn)$/);
  expect(find(diagnosis, "databases")?.status).toMatch(/^(ok|warn)$/);
  // The server of tests may lose data, and does
  expect(find(diagnosis, "settings")?.status).toMatch(/^(ok|warn)$/);
  expect(diagnosis.checks.filter(({ name }) => !/^(server|settings|databases)$/.test(name)))
    .toEqual([
      { name: "migrations", status: "ok", message: "all are here", cure: null },
      { name: "security", status: "ok", message: "all rules are kept", cure: null },
      { name: "marts", status: "ok", message: "up to date", cure: null },
      { name: "tasks", status: "ok", message: "none is late", cure: null },
      { name: "jobs", status: "ok", message: "none has failed for good", cure: null },
    ]);
  expect(await cliJson(["doctor", "--security"], { env })).toEqual({ ok: true, findings: [] });
  const { stdout } = await cli(["doctor", "--security"], { env });
  expect(stdout).toBe("The database keeps all rules of security\n");
});

test("settings of the server that cost speed or data are warnings, with the value to set", async () => {
  const settings = async () =>
    (await cliJson<Diagnosis>(["doctor"], { env })).checks.filter(({ name }) =>
      name === "settings"
    );
  const name = new URL(database.adminUrl).pathname.slice(1);
  const others = (await settings()).map(({ message }) => message);
  await database.query(`alter database ${name} set random_page_cost = 3.5`);
  await database.query(`alter database ${name} set work_mem = '2MB'`);
  try {
    const found = (await settings()).filter(({ message }) => !others.includes(message));
    expect(found).toEqual(expect.arrayContaining([{
      name: "settings",
      status: "warn",
      message: "random_page_cost is 3.5: the planner reads whole tables where an index is faster",
      cure: "set random_page_cost to 1.1, unless the disk is one that spins",
    }, {
      name: "settings",
      status: "warn",
      message: "work_mem is 2MB: larger sorts, and merges of marts, go to disk",
      cure: "set work_mem to 16MB",
    }]));
  } finally {
    await database.query(`alter database ${name} reset all`);
  }
});

test("an analyst is no breach", async () => {
  const { slug } = await makeOrganization(database);
  const name = database.roleName("analyst");
  await cliJson(["analyst", "create", "--name", name, "--organization", slug], { env });
  expect(await cliJson(["doctor", "--security"], { env })).toEqual({ ok: true, findings: [] });
});

test("another database that lets analysts in is a warning, with the statement that keeps them out", async () => {
  const { slug } = await makeOrganization(database);
  const analyst = await cliJson<{ url: string }>(
    ["analyst", "create", "--name", database.roleName("reader"), "--organization", slug],
    { env },
  );
  const other = database.roleName("other");
  const otherUrl = databaseUrl(analyst.url, other);
  const found = async () =>
    (await cliJson<Diagnosis>(["doctor"], { env })).checks.filter(
      ({ name, message }) => name === "databases" && message.includes(other),
    );
  await database.query(`create database ${other}`);
  try {
    expect(
      await sqlstate(
        otherUrl,
        "set default_transaction_read_only = off",
        "create temporary table left_behind ()",
      ),
    ).toBe("");
    const [warning, ...more] = await found();
    expect(more).toEqual([]);
    const statement = `revoke connect, temporary on database ${other} from public`;
    expect(warning).toEqual({
      name: "databases",
      status: "warn",
      message:
        `analysts may connect to the database ${other} of this server, which is none of ours`,
      cure: `run \`${statement}\`, and grant connect to the logins that need it`,
    });
    // Others may need it: that is no breach of ours
    expect(await cliJson(["doctor", "--security"], { env })).toEqual({ ok: true, findings: [] });
    await database.query(statement);
    expect(await found()).toEqual([]);
    await expect(query(otherUrl, "select")).rejects.toThrow("permission denied for database");
    await database.query(`grant connect on database ${other} to curestry_analyst`);
    expect((await found()).map(({ cure }) => cure)).toEqual([
      expect.stringContaining(`revoke connect on database ${other} from curestry_analyst`),
    ]);
  } finally {
    await database.query(`drop database ${other} with (force)`);
  }
});

describe("a migration that adds a bare table", () => {
  afterEach(() => migrate("drop table if exists ops.bare"));

  test("makes doctor --security fail, which names the table, and the cure of each finding", async () => {
    await migrate("create table ops.bare (id integer primary key, organization_id uuid)");
    const { ok, findings } = await cliJson<
      { ok: boolean; findings: { rule: string; object: string; cure: string }[] }
    >(["doctor", "--security"], { env }, 1);
    expect(ok).toBe(false);
    expect(findings).toContainEqual({
      rule: "row level security is on and forced on every table",
      object: "ops.bare",
      cure: expect.stringContaining("force row level security"),
    });
    expect(findings).toContainEqual({
      rule: "everything has a comment",
      object: "ops.bare",
      cure: expect.stringContaining("comment on"),
    });
    expect(findings.filter(({ object }) => !object.includes("bare"))).toEqual([]);
    expect(findings.filter(({ cure }) => !cure)).toEqual([]);
  });

  test("is told to people rule by rule, and plain doctor says where to look", async () => {
    await migrate("create table ops.bare (id integer primary key, organization_id uuid)");
    const { code, stdout } = await cli(["doctor", "--security"], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^Not so: row level security is on and forced on every table\n {2}ops\.bare\n {2}→ alter table/m,
    );
    const diagnosis = await cliJson<Diagnosis>(["doctor"], { env }, 1);
    expect(find(diagnosis, "security")).toMatchObject({
      status: "fail",
      message: expect.stringMatching(/^\d+ breaches of the rules$/),
      cure: expect.stringContaining("doctor --security"),
    });
    const shown = await cli(["doctor"], { env });
    expect(shown.stdout).toMatch(/^fail {2}security: .*\n {6}→ run .*doctor --security/m);
    expect(shown.stdout).toMatch(/^ok {4}migrations: all are here$/m);
  });
});

test("marts that nobody brings up to date are a warning, with what to do", async () => {
  const { id } = await makeOrganization(database);
  await database.query(
    "insert into ops.feature_event (organization_id, feature_key) values ($1, 'f')",
    [id],
  );
  const fresh = await cliJson<Diagnosis>(["doctor"], { env });
  expect(find(fresh, "marts")).toMatchObject({
    status: "ok",
    message: expect.stringMatching(/^\d+ s behind$/),
  });

  await database.query("update app.mart_change set created_at = now() - interval '1 hour'");
  const late = await cliJson<Diagnosis>(["doctor"], { env });
  expect(late.ok).toBe(true);
  expect(find(late, "marts")).toMatchObject({
    status: "warn",
    message: expect.stringMatching(/^36\d\d s behind what was recorded$/),
    cure: expect.stringContaining("curestry rollup"),
  });

  await cliJson(["rollup"], { env });
  expect(find(await cliJson<Diagnosis>(["doctor"], { env }), "marts"))
    .toMatchObject({ status: "ok", message: "up to date" });
});

test("a task that is late and a job that failed for good are warnings, with what to do", async () => {
  await database.query(
    `select app.task_expect('[{"kind": "schedule", "task": "a", "seconds": 60}]'),
            app.task_note_end('schedule', 'a', 1, 'no luck')`,
  );
  await database.query("update app.task_run set expected_since = now() - interval '1 hour'");
  await database.query("select graphile_worker.add_job('refresh_marts')");
  await database.query("update graphile_worker._private_jobs set attempts = max_attempts");
  const diagnosis = await cliJson<Diagnosis>(["doctor"], { env });
  expect(diagnosis.ok).toBe(true);
  expect(find(diagnosis, "tasks")).toMatchObject({
    status: "warn",
    message: "late: a (schedule; its last error: no luck)",
    cure: expect.stringContaining("see that a worker runs"),
  });
  expect(find(diagnosis, "jobs")).toMatchObject({
    status: "warn",
    message: "1 has failed for good",
    cure: expect.stringContaining("jobs --failed"),
  });
  await database.query("delete from app.task_run");
  await database.query("delete from graphile_worker._private_jobs");
});

describe("migrations", () => {
  const table = "graphile_migrate.migrations";

  test("one that is missing is named", async () => {
    const files = (await readdir(join(migrationsFolder, "committed"))).toSorted();
    const [gone] = await database.query<{ row: unknown }>(
      `delete from ${table} where filename = (select max(filename) from ${table}) returning to_jsonb(migrations) as row`,
    );
    const diagnosis = await cliJson<Diagnosis>(["doctor"], { env }, 1);
    expect(find(diagnosis, "migrations")).toEqual({
      name: "migrations",
      status: "fail",
      message: `not here yet: ${files.at(-1)}`,
      cure: "run `deno task migrate`",
    });
    await database.query(
      `insert into ${table} select * from jsonb_populate_record(null::${table}, $1)`,
      [JSON.stringify(gone?.row)],
    );
  });

  test("one that this version does not know is named", async () => {
    await database.query(`insert into ${table} (hash, filename) values ('sha1:0', '999999.sql')`);
    const diagnosis = await cliJson<Diagnosis>(["doctor"], { env }, 1);
    expect(find(diagnosis, "migrations")).toMatchObject({
      status: "fail",
      message: expect.stringMatching(/999999\.sql.*update this checkout/),
    });
    await database.query(`delete from ${table} where filename = '999999.sql'`);
  });
});

test("of a database without our schema it says so, check by check", async () => {
  const DATABASE_URL = databaseUrl(database.adminUrl, "postgres");
  const { checks } = await cliJson<Diagnosis>(["doctor"], { env: { ...env, DATABASE_URL } }, 1);
  const shown = checks.filter(({ name }) => !/^(databases|settings)$/.test(name));
  expect(shown.map(({ name, status }) => [name, status === "warn" ? "ok" : status])).toEqual([
    ["server", "ok"],
    ["migrations", "fail"],
    ["security", "fail"],
    ["marts", "fail"],
    ["tasks", "fail"],
    ["jobs", "fail"],
  ]);
  expect(shown[2]?.message).toContain("run `deno task migrate`");
});
