import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Log } from "../shared/log.ts";
import { retryCatalogRace } from "./retry_catalog_race.ts";

/**
 * In the database `postgres`, so that several migrations of a database that does not exist yet take
 * turns. Whoever may connect there can take this lock, too, so it is a courtesy: after some seconds
 * the migration goes on without it.
 */
const courtesyKey = "hashtextextended('curestry migrate', 0)";
const courtesyWaitMs = 5_000;

/** Waits for a migration that works on the same server, but not for ever. */
export async function awaitTurn(client: Client, log: Log | undefined): Promise<void> {
  const giveUp = performance.now() + courtesyWaitMs;
  for (let attempt = 1;; attempt++) {
    const { rows: [row] } = await client.query<{ taken: boolean }>(
      `select pg_catalog.pg_try_advisory_lock(${courtesyKey}) as taken`,
    );
    if (row?.taken || performance.now() >= giveUp) return;
    if (attempt === 10) log?.info("Waiting for another migration to finish");
    await sleep(50 + Math.random() * 100);
  }
}

/**
 * Waits until no other migration works on this database, and keeps others from it until `client`
 * ends. It locks the table of migrations, for which one needs a privilege: an advisory lock could be
 * taken, and kept, by any login.
 *
 * @param client of a member of curestry_owner, used for nothing else
 */
export async function lockMigrations(client: Client): Promise<void> {
  await client.query("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0");
  // As graphile-migrate makes them, if they are absent
  await retryCatalogRace(() =>
    client.query(`begin; set local role curestry_owner;
      create schema if not exists graphile_migrate;
      create table if not exists graphile_migrate.migrations (
        hash text primary key,
        previous_hash text references graphile_migrate.migrations,
        filename text not null,
        date timestamptz not null default now()
      );
      create table if not exists graphile_migrate.current (
        filename text primary key default 'current.sql',
        content text not null,
        date timestamptz not null default now()
      );
      commit`).catch(async (error) => {
      await client.query("rollback");
      throw error;
    })
  );
  await client.query(`begin; set local role curestry_owner;
    lock table graphile_migrate.migrations in share update exclusive mode`);
}
