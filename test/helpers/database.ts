import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { QueryResultRow } from "pg";
import { afterAll, beforeAll, inject } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { withClient } from "../../src/database/open_client.ts";
import { retryCatalogRace } from "../../src/database/retry_catalog_race.ts";
import { databaseUrl, loginUrl } from "../../src/database/urls.ts";
import type {} from "./test_server.ts";

/** The database of one test file: migrated, without rows of ours. */
export interface TestDatabase {
  name: string;
  /** The administrator's connection string. */
  adminUrl: string;
  /** As curestry_gateway, which can do nothing but check credentials and change its role. */
  gatewayUrl: string;
  /** As curestry_worker. */
  workerUrl: string;
  /** What a process of ours needs in its environment to work on this database. */
  env: { DATABASE_URL: string; CURESTRY_DATA_DIR: string };
  /** Runs one statement as the administrator and answers its rows. */
  query<R extends QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>;
  /**
   * A name for a login that a test makes. Roles belong to the whole server: these are unique, and
   * dropped with the database.
   */
  roleName(suffix: string): string;
}

/**
 * Gives this test file a database of its own, from before its first test until after its last.
 * Call it at the top of the file (or of a describe).
 */
export function withTestDatabase(): TestDatabase {
  const server = inject("server");
  const id = `${Math.floor(Date.now() / 1000)}_${randomBytes(4).toString("hex")}`;
  const name = `curestry_test_${id}`;
  const adminUrl = databaseUrl(server.url, name);
  const rolePrefix = `test_${id}_`;

  beforeAll(async () => {
    await withClient(server.url, async (client) => {
      const template = client.escapeIdentifier(server.template);
      await client.query(`create database ${client.escapeIdentifier(name)} template ${template}`);
    });
    // Who may connect is not copied; this is what sets it for a real database
    const install = await readFile(join(migrationsFolder, "install.sql"), "utf8");
    await withClient(adminUrl, (client) => retryCatalogRace(() => client.query(install)));
  });
  afterAll(async () => {
    await withClient(server.url, async (client) => {
      await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
      const { rows } = await client.query<{ rolname: string }>(
        "select rolname from pg_catalog.pg_roles where rolname ^@ $1",
        [rolePrefix],
      );
      for (const { rolname } of rows) {
        await client.query(`drop role ${client.escapeIdentifier(rolname)}`);
      }
    });
  });

  return {
    name,
    adminUrl,
    gatewayUrl: loginUrl(adminUrl, "curestry_gateway", server.passwords.curestry_gateway),
    workerUrl: loginUrl(adminUrl, "curestry_worker", server.passwords.curestry_worker),
    env: { DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: server.dataDir },
    query: (sql, values) => query(adminUrl, sql, values),
    roleName: (suffix) => rolePrefix + suffix,
  };
}

/**
 * Runs one statement over a connection of its own, as `psql -c` does.
 *
 * @param url whose login it is decides what may be done
 * @returns the rows; numbers of the types bigint and numeric are strings
 */
export async function query<R extends QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<R[]> {
  return await withClient(url, async (client) => (await client.query<R>(sql, values)).rows);
}
