import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../shared/log.ts";
import { migrationsFolder } from "./committed_migrations.ts";
import { databaseUrl } from "./urls.ts";

/**
 * graphile-migrate keeps its connections for 200 ms after use, and ends the whole process if the
 * server goes away before that, so we wait until they are closed.
 */
const poolLingerMs = 300;

/**
 * Runs the committed migrations that the database does not have yet, each in a transaction, as
 * curestry_owner.
 *
 * @param url the administrator's connection string
 * @throws {Error} naming the migration that failed, the line, and PostgreSQL's reason
 */
export async function runCommitted(url: string, log: Log | undefined): Promise<void> {
  // Loaded when it is needed, which is seldom
  const { Logger, migrate } = await import("graphile-migrate");
  let file = "";
  try {
    await migrate({
      connectionString: url,
      // Not used by migrate(), but its default may equal connectionString, which is refused
      rootConnectionString: databaseUrl(url, "postgres"),
      migrationsFolder,
      // See behindLocks; a migration may say otherwise
      pgSettings: { role: "curestry_owner", lock_timeout: "3s" },
      logger: new Logger(() => (level, message) => {
        file = /Running migration '([^']+)'/.exec(message)?.[1] ?? file;
        if (level === "error") log?.error(message);
        else log?.debug(message);
      }),
    });
  } catch (error) {
    throw file ? await explain(file, error) : error;
  } finally {
    await sleep(poolLingerMs);
  }
}

async function explain(file: string, error: unknown): Promise<Error> {
  const { message, position, detail, hint, where } = error as Partial<Record<string, string>>;
  const lines = [`The migration ${file} failed: ${message}`];
  if (position !== undefined) {
    const text = await readFile(join(migrationsFolder, "committed", file), "utf8");
    // PostgreSQL counts characters from the first one after the header
    const header = /^(--! .*\n)*\s*/.exec(text)?.[0].length ?? 0;
    const before = text.slice(0, header + Number(position) - 1);
    const line = before.split("\n").length;
    lines.push(`  line ${line}: ${text.split("\n")[line - 1]?.trim()}`);
  }
  if (detail) lines.push(`  Detail: ${detail}`);
  if (hint) lines.push(`  Hint: ${hint}`);
  if (where) lines.push(`  Where: ${where.split("\n")[0]}`);
  return new Error(lines.join("\n"), { cause: error });
}
