import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { migrationsFolder, pendingMigrations } from "../../src/database/committed_migrations.ts";
import { migrateDatabase, type MigrationSummary } from "../../src/database/migrate_database.ts";
import { withClient } from "../../src/database/open_client.ts";
import { derivePassword, readLoginPasswords } from "../../src/database/login_passwords.ts";
import { databaseUrl, loginUrl } from "../../src/database/urls.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { query, type TestDatabase, withTestDatabase } from "../helpers/database.ts";
import { startGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { startTestCluster } from "../helpers/start_test_cluster.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";

/** Leaves the passwords of the shared server as they are. */
const KEEP = { curestry_gateway: null, curestry_worker: null };

function migrate(url: string): Promise<MigrationSummary> {
  return migrateDatabase(url, { passwords: KEEP });
}

/** Ours, not derived from anything of the server's. */
const SECRET = randomBytes(32);
const settings = readSettings({ CURESTRY_LOGIN_SECRETS: SECRET.toString("base64") });

async function migrateWithPasswords(url: string): Promise<MigrationSummary> {
  return await migrateDatabase(url, { passwords: await readLoginPasswords(settings) });
}

describe("on a server of its own", () => {
  let server = { url: "", stop: () => Promise.resolve() };
  beforeAll(async () => {
    server = await startTestCluster();
  });
  afterAll(() => server.stop());

  const dba = (database: string, password = "first") =>
    loginUrl(databaseUrl(server.url, database), "dba", password);

  test("ten migrations at once make one database, by a login that is no superuser", async () => {
    await query(server.url, "create role dba login createdb createrole password 'first'");
    const url = dba("fresh");
    const summaries = await Promise.all(
      Array.from({ length: 10 }, () => migrateWithPasswords(url)),
    );
    const working = summaries.filter(({ created }) => created);
    expect(working).toHaveLength(1);
    expect(working[0]?.applied.length).toBeGreaterThan(3);
    for (const summary of summaries) {
      if (summary === working[0]) continue;
      expect(summary).toMatchObject({ database: "fresh", created: false, applied: [], legacy: [] });
    }
    expect(await withClient(url, pendingMigrations)).toEqual([]);
    expect(
      await query(
        url,
        `select rolname from pg_roles where rolname ^@ 'curestry_' and (rolsuper or rolcreaterole or rolcreatedb)`,
      ),
    ).toEqual([]);
    // What only a superuser can do is optional, and said
    expect(working[0]?.notes).toEqual([
      expect.stringContaining("curestry_backup cannot look past row level security here"),
    ]);
  });

  test("gateway and worker run on it, with passwords that nobody had to make", async () => {
    const urlOf = (login: "curestry_gateway" | "curestry_worker") =>
      loginUrl(dba("fresh"), login, derivePassword(SECRET, login));
    const gateway = await startGateway({ gatewayUrl: urlOf("curestry_gateway") } as TestDatabase);
    expect(await graphqlData(gateway.url, { query: "{ __typename }" }))
      .toEqual({ __typename: "Query" });
    await gateway.stop();
    const worker = await startWorker({
      databaseUrl: urlOf("curestry_worker"),
      log: makeLog("silent"),
    });
    await worker.stop();
  });

  test("an old password of the administrator's is refused, with what to check", async () => {
    await query(server.url, "alter role dba password 'second'");
    await expect(migrateWithPasswords(dba("fresh"))).rejects.toThrow(
      /^Cannot connect to the database server .* as dba: password authentication failed .*; check the user and the password in DATABASE_URL/,
    );
    await migrateWithPasswords(dba("fresh", "second"));
  });

  test("where a DBA has prepared all, a login that may make nothing is enough", async () => {
    const url = databaseUrl(server.url, "prepared");
    await query(server.url, "create database prepared template template0 encoding 'UTF8'");
    await query(server.url, "create role plain login password 'p'");
    await withClient(url, async (client) => {
      await client.query(await readFile(join(migrationsFolder, "install.sql"), "utf8"));
      await client.query("grant curestry_owner, curestry_definer to plain");
    });
    const summary = await migrate(loginUrl(url, "plain", "p"));
    expect(summary).toMatchObject({ created: false, legacy: [] });
    expect(summary.applied.length).toBeGreaterThan(3);
    // Their passwords are the DBA's to set; which setting names them is said
    const { notes } = await migrateWithPasswords(loginUrl(url, "plain", "p"));
    expect(notes.join("\n")).toContain(
      "connection string of curestry_gateway in CURESTRY_GATEWAY_URL",
    );
    expect(notes.join("\n")).toContain(
      "connection string of curestry_worker in CURESTRY_WORKER_URL",
    );
  });

  test("a login that may not make the database is told so", async () => {
    await query(server.url, "create role nobody login password 'p'");
    await expect(migrate(loginUrl(databaseUrl(server.url, "absent"), "nobody", "p"))).rejects
      .toThrow(
        "The database absent does not exist, and this login may not create it: create it, " +
          "or give DATABASE_URL a login with CREATEDB",
      );
  });

  test("a database in another encoding is refused, and says how to get a right one", async () => {
    await query(
      server.url,
      "create database latin template template0 encoding 'LATIN1' locale 'C'",
    );
    await expect(migrate(databaseUrl(server.url, "latin"))).rejects.toThrow(
      "The database latin has the encoding LATIN1; Curestry needs UTF8",
    );
  });
});

describe("a database with a history", () => {
  const database = withTestDatabase();
  afterEach(stopProcesses);

  test("that is up to date is left as it is, by `deno task migrate` too", async () => {
    const { code, stdout, stderr } = await runProcess(["src/bin/migrate.ts"], database.env).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(
      new RegExp(
        `^Database ${database.name} on PostgreSQL [\\d.]+\nUp to date: no migration to run\n(Note: .*\n)*` +
          "Done in \\d+\\.\\d\\d s\n$",
      ),
    );
  });

  test("of a newer version of Curestry is refused", async () => {
    await database.query(
      `insert into graphile_migrate.migrations (hash, previous_hash, filename)
        select 'sha1:new', hash, '999999.sql' from graphile_migrate.migrations order by filename desc limit 1`,
    );
    await expect(migrate(database.adminUrl)).rejects.toThrow(
      "The database has the migration 999999.sql, which this version of Curestry does not know",
    );
    await database.query("delete from graphile_migrate.migrations where filename = '999999.sql'");
  });

  test("that is not ours is refused: committed migrations never change", async () => {
    await database.query(
      `update graphile_migrate.migrations set hash = 'sha1:other'
        where filename = (select max(filename) from graphile_migrate.migrations)`,
    );
    await expect(migrate(database.adminUrl)).rejects.toThrow(
      /^The migration \d{6}-[\w-]+\.sql is not the one that the database has/,
    );
  });
});

describe("rows of the old backends", () => {
  const server = inject("server");
  const id = randomBytes(6).toString("hex");
  const url = databaseUrl(server.url, `curestry_test_${Math.floor(Date.now() / 1000)}_${id}`);
  afterAll(() =>
    withClient(
      server.url,
      (client) =>
        client.query(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`),
    )
  );

  test("are accounted for, in words, by `deno task migrate`", async () => {
    await query(server.url, `create database ${new URL(url).pathname.slice(1)}`);
    const first = await readFile(
      join(migrationsFolder, "committed/000001-current-tables.sql"),
      "utf8",
    );
    const prompts = /create table if not exists public\.prompts \([^;]*;/.exec(first)?.[0] ?? "";
    await withClient(url, (client) =>
      client.query(`${prompts}
        insert into prompts (id, name, content) values
          ('11111111-1111-4111-8111-111111111111', 'One', 'a'), ('two', 'Two', 'b'), ('3', 'Three', '')`));
    const { code, stdout } = await runProcess(["src/bin/migrate.ts"], {
      DATABASE_URL: url,
      CURESTRY_DATA_DIR: server.dataDir,
    }).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d migrations ran:\n {2}000001-/m);
    expect(stdout).toContain("Rows of the old backends' tables:\n");
    expect(stdout).toMatch(/^ {2}prompts +3 found, 3 kept(;.*)?$/m);
    expect(await query(url, "select count(*)::int as n from core.prompts")).toEqual([{ n: 3 }]);
  });
});
