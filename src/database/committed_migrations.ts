import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { repositoryRoot } from "../shared/settings.ts";

/** Where graphile-migrate finds current.sql and committed/. */
export const migrationsFolder: string = join(repositoryRoot, "migrations");

interface CommittedMigration {
  /** In the repository: 000001-the-message.sql. */
  file: string;
  /** In the table graphile_migrate.migrations: 000001.sql. */
  filename: string;
  hash: string;
}

/**
 * Which committed migrations this database does not have yet. Looking takes one query, where
 * graphile-migrate takes half a second to load.
 *
 * @returns their file names, in order
 * @throws {Error} if the database's history is not the beginning of ours
 */
export async function pendingMigrations(client: Client): Promise<string[]> {
  const [ours, applied] = await Promise.all([readCommitted(), readApplied(client)]);
  applied.forEach(({ filename, hash }, index) => {
    const expected = ours[index];
    if (expected === undefined) {
      throw new Error(
        `The database has the migration ${filename}, which this version of Curestry does not know: ` +
          "it was migrated by a newer one; update this checkout",
      );
    }
    if (expected.filename !== filename || expected.hash !== hash) {
      throw new Error(
        `The migration ${expected.file} is not the one that the database has: committed migrations ` +
          "must not change. Restore the file, or in development, where the data may go, run " +
          "`deno task migrate:reset --erase`",
      );
    }
  });
  return ours.slice(applied.length).map(({ file }) => file);
}

async function readCommitted(): Promise<CommittedMigration[]> {
  const folder = join(migrationsFolder, "committed");
  const files = (await readdir(folder)).filter((file) => /^\d{6,}(-[\w-]+)?\.sql$/.test(file));
  const migrations = await Promise.all(files.map(async (file) => {
    const [, hash] = /^--! Hash: (\S+)$/m.exec(await readFile(join(folder, file), "utf8")) ?? [];
    if (!hash) {
      throw new Error(`The migration ${file} has no hash: commit it with graphile-migrate`);
    }
    return { file, filename: `${Number.parseInt(file, 10)}`.padStart(6, "0") + ".sql", hash };
  }));
  return migrations.sort((a, b) => a.filename < b.filename ? -1 : 1);
}

async function readApplied(client: Client): Promise<{ filename: string; hash: string }[]> {
  const { rows } = await client.query<{ found: boolean }>(
    "select pg_catalog.to_regclass('graphile_migrate.migrations') is not null as found",
  );
  if (!rows[0]?.found) return [];
  return (await client.query<{ filename: string; hash: string }>(
    "select filename, hash from graphile_migrate.migrations order by filename",
  )).rows;
}
