import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import type { Log } from "../shared/log.ts";
import { behindLocks } from "./behind_locks.ts";
import { checkServer, type ServerVersion } from "./check_server.ts";
import { migrationsFolder, pendingMigrations } from "./committed_migrations.ts";
import type { LoginPasswords } from "./login_passwords.ts";
import { makeDatabase } from "./make_database.ts";
import { awaitTurn, lockMigrations } from "./migration_lock.ts";
import { errorCode, openClient, withClient } from "./open_client.ts";
import { retryCatalogRace } from "./retry_catalog_race.ts";
import { runCommitted } from "./run_committed.ts";
import { setPasswords } from "./set_passwords.ts";
import { databaseName, databaseUrl } from "./urls.ts";

/** How to migrate. */
export interface MigrateOptions {
  /** Of our logins; see `readLoginPasswords`. */
  passwords: LoginPasswords;
  log?: Log;
}

/** What became of the rows of one legacy table; see app.legacy_report(). */
export interface LegacyAccount {
  sourceTable: string;
  rowsFound: number;
  rowsKept: number;
  note: string | null;
}

/** What a migration did. */
export interface MigrationSummary {
  database: string;
  server: ServerVersion;
  /** Whether the database itself was made. */
  created: boolean;
  /** File names of the migrations that ran now, in order. */
  applied: string[];
  /** What was optional and could not be done, and what to know. */
  notes: string[];
  /** For every table of the old backends that was found, now or earlier. */
  legacy: LegacyAccount[];
  milliseconds: number;
}

/**
 * Makes the database if it is absent, and brings it up to date. Any number of these at once is safe:
 * one works, the others wait and then find nothing to do. Needs no superuser: a login that may create
 * databases and roles is enough, and on a server that a DBA prepared, a member of curestry_owner.
 *
 * @param adminUrl the administrator's connection string; direct, not through a transaction pooler
 * @throws {Error} saying what is wrong and what to do
 */
export async function migrateDatabase(
  adminUrl: string,
  options: MigrateOptions,
): Promise<MigrationSummary> {
  const started = performance.now();
  const database = databaseName(adminUrl);
  const url = databaseUrl(adminUrl, database);
  const meeting = await openMeetingPoint(url, options.log);
  try {
    const server = await checkServer(meeting);
    await meeting.query("set statement_timeout = 0; set idle_session_timeout = 0");
    await awaitTurn(meeting, options.log);
    const created = await makeDatabase(meeting, database, server.major);
    const result = await withClient(url, (client) => bringUpToDate(client, url, server, options));
    return {
      database,
      server,
      created,
      ...result,
      notes: [...(server.warning ? [server.warning] : []), ...result.notes],
      milliseconds: performance.now() - started,
    };
  } finally {
    // The end of the session is the end of the lock
    await meeting.end().catch(() => {});
  }
}

/** Connects to `postgres`, or to our database where that one is closed to us. */
async function openMeetingPoint(url: string, log: Log | undefined): Promise<Client> {
  try {
    return await openClient(databaseUrl(url, "postgres"), { log });
  } catch (error) {
    // No such database; no privilege to connect; no line in pg_hba.conf
    if (!["3D000", "42501", "28000"].includes(errorCode(error))) throw error;
    return await openClient(url, { log }).catch((error) => {
      if (errorCode(error) !== "3D000") throw error;
      throw new Error(
        `The database ${
          databaseName(url)
        } does not exist, and this login may not create it: create ` +
          "it, or give DATABASE_URL a login with CREATEDB that may connect to the database postgres",
        { cause: error },
      );
    });
  }
}

async function bringUpToDate(
  client: Client,
  url: string,
  server: ServerVersion,
  options: MigrateOptions,
): Promise<Pick<MigrationSummary, "applied" | "notes" | "legacy">> {
  const notes = await install(client, server);
  return await withClient(url, async (lock) => {
    await lockMigrations(lock);
    notes.push(...await setPasswords(client, options.passwords));
    // Loaded here and not above: it takes long, and the server starts meanwhile
    const { installJobQueue } = await import("./install_job_queue.ts");
    await installJobQueue(url);
    const applied = await pendingMigrations(client);
    await behindLocks(client, options.log, async () => {
      if ((await pendingMigrations(client)).length > 0) await runCommitted(url, options.log);
    });
    await behindLocks(client, options.log, () => prepareServer(client));
    return { applied, notes, legacy: await readLegacyAccounts(client) };
  });
}

/**
 * What depends on this server and on today rather than on our schema: grants on the job queue's, the
 * audit log goes on after a restore into another server, and there are partitions for the months to come.
 */
async function prepareServer(client: Client): Promise<void> {
  await client.query(`begin; set local role curestry_owner; set local lock_timeout = '3s';
    select app.job_grant_queue(); select app.audit_continue_xids(); select app.partition_make_all(); commit`)
    .catch(async (error) => {
      await client.query("rollback");
      throw error;
    });
}

/** Runs migrations/install.sql; its notices and warnings say what it could not do. */
async function install(client: Client, server: ServerVersion): Promise<string[]> {
  const notes: string[] = [];
  const sql = await readFile(join(migrationsFolder, "install.sql"), "utf8");
  // Since 16, a role that makes another one may not act as it unless it says so beforehand
  if (server.major >= 16) await client.query("set createrole_self_grant = 'set, inherit'");
  client.on("notice", ({ severity, code, message }) => {
    // PostgreSQL's own notices ("already exists, skipping") have other codes
    if (message && (severity === "WARNING" || code === "00000")) notes.push(message);
  });
  await retryCatalogRace(() => client.query(sql));
  client.removeAllListeners("notice");
  return notes;
}

async function readLegacyAccounts(client: Client): Promise<LegacyAccount[]> {
  const { rows } = await client.query<{ found: boolean }>(
    "select pg_catalog.to_regprocedure('app.legacy_report()') is not null as found",
  );
  if (!rows[0]?.found) return [];
  const accounts = await client.query<
    { source_table: string; rows_found: string; rows_kept: string; note: string | null }
  >("select source_table, rows_found, rows_kept, note from app.legacy_report()");
  return accounts.rows.map((row) => ({
    sourceTable: row.source_table,
    rowsFound: Number(row.rows_found),
    rowsKept: Number(row.rows_kept),
    note: row.note,
  }));
}
