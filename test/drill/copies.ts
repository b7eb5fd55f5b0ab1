import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { withClient } from "../../src/database/open_client.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { eventually } from "../helpers/eventually.ts";

/** What needs a database without connections. */
export interface Copies {
  /** Does something while the database takes no connections, and has none; one after the other. */
  whileClosed(work: () => Promise<void>): Promise<void>;
  /** Makes a copy of the database as it is now; answers its connection string. */
  copy(name: string): Promise<string>;
}

/** @param serverUrl a superuser's, to another database */
export function makeCopies(serverUrl: string, database: string): Copies {
  let last: Promise<void> = Promise.resolve();

  async function close(work: () => Promise<void>): Promise<void> {
    await withClient(serverUrl, async (client) => {
      const allow = (allowed: boolean) =>
        client.query(`alter database ${database} with allow_connections ${allowed}`);
      await allow(false);
      try {
        await eventually(async () => {
          await client.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
            [database],
          );
          await work();
        });
      } finally {
        await allow(true);
      }
    });
  }

  function whileClosed(work: () => Promise<void>): Promise<void> {
    const turn = last.then(() => close(work));
    last = turn.catch(() => {});
    return turn;
  }

  return {
    whileClosed,
    async copy(name) {
      await whileClosed(() =>
        withClient(
          serverUrl,
          async (client) => void await client.query(`create database ${name} template ${database}`),
        )
      );
      const url = databaseUrl(serverUrl, name);
      // Who may connect is not copied; this is what sets it for a real database
      const install = await readFile(join(migrationsFolder, "install.sql"), "utf8");
      await withClient(url, (client) => client.query(install));
      return url;
    },
  };
}
