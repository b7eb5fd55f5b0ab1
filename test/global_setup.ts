import { hash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Client } from "pg";
import type { TestProject } from "vitest/node";
import { migrateDatabase } from "../src/database/migrate_database.ts";
import { withClient } from "../src/database/open_client.ts";
import { readLoginPasswords } from "../src/database/login_passwords.ts";
import { databaseUrl } from "../src/database/urls.ts";
import { readSettings } from "../src/shared/settings.ts";
import { startTestCluster } from "./helpers/start_test_cluster.ts";
import type {} from "./helpers/test_server.ts";

/** Databases bear their time in seconds, so that a later run knows which were left behind. */
const PREFIX = "curestry_test_";

/** Older databases of a server that is not ours alone were left by a run that was killed, in s. */
const ABANDONED = 2 * 3600;

/**
 * One PostgreSQL for all test files, with one migrated database that each of them copies:
 * TEST_DATABASE_URL (an administrator's), or a throw-away cluster of Debian's programs
 * (CURESTRY_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin), or one of the embedded PostgreSQL.
 *
 * Never name the server of a real Curestry: roles and their passwords belong to the whole server. A
 * few tests of the schema and the gateway need a superuser there.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  const template = `${PREFIX}${Math.floor(Date.now() / 1000)}_template_${process.pid}`;
  async function teardown(): Promise<void> {
    if (server.isShared) {
      await withClient(server.url, (client) => dropDatabase(client, template)).catch(() => {});
    }
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
  try {
    if (server.isShared) await withClient(server.url, dropAbandoned);
    const adminUrl = databaseUrl(server.url, template);
    const settings = readSettings({ DATABASE_URL: adminUrl, CURESTRY_DATA_DIR: dataDir });
    // Runs that share a server share its logins
    if (server.isShared) {
      await writeFile(join(dataDir, "secret"), hash("sha256", server.url, "base64"));
    }
    const passwords = await readLoginPasswords(settings);
    await migrateDatabase(adminUrl, { passwords });
    project.provide("server", {
      url: server.url,
      template,
      dataDir,
      passwords: {
        curestry_gateway: passwords.curestry_gateway ?? "",
        curestry_worker: passwords.curestry_worker ?? "",
      },
    });
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}

interface RunningServer {
  url: string;
  /** Whether others may use it too: then we leave it as we found it. */
  isShared: boolean;
  stop(): Promise<void>;
}

async function startServer(): Promise<RunningServer> {
  const { TEST_DATABASE_URL: given } = process.env;
  if (given) {
    return { url: databaseUrl(given, "postgres"), isShared: true, stop: () => Promise.resolve() };
  }
  const cluster = await startTestCluster();
  return { url: cluster.url, isShared: false, stop: () => cluster.stop() };
}

async function dropAbandoned(client: Client): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    "select datname from pg_catalog.pg_database where datname ^@ $1",
    [PREFIX],
  );
  for (const { datname } of rows) {
    const seconds = Number(datname.slice(PREFIX.length).split("_")[0]);
    if (Date.now() / 1000 - seconds > ABANDONED) await dropDatabase(client, datname);
  }
}

async function dropDatabase(client: Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
}
