import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import process from "node:process";
import type { Client } from "pg";

/** What an archive is of. */
export interface ArchiveSubject {
  kind: "organization" | "user";
  /** The key of the first line that says who it is, and its value. */
  description: Record<string, unknown>;
  organizationId: string | null;
  userId: number | null;
}

/** What was written. */
export interface ArchiveSummary {
  rows: number;
  /** Of all lines before the last. */
  sha256: string;
  tables: Record<string, number>;
}

/** Rows that are held at once. */
const rowsPerFetch = 100;

/**
 * Writes all of an organization's or a user's data as JSONL, from one snapshot.
 *
 * @param write takes some lines, and resolves when it may be given the next
 */
export async function writeArchive(
  client: Client,
  { kind, description, organizationId, userId }: ArchiveSubject,
  write: (lines: string) => Promise<void>,
): Promise<ArchiveSummary> {
  const hash = createHash("sha256");
  const writeLines = async (lines: string) => {
    hash.update(lines);
    await write(lines);
  };
  const { rows: queries } = await client.query<{ table_name: string; query: string }>(
    "select * from app.export_queries($1, $2)",
    [organizationId, userId],
  );
  const tables: Record<string, number> = {};
  for (const { table_name: table, query } of queries) {
    const { rows: [count] } = await client.query<{ rows: number }>(
      `select count(*)::float8 as rows from (${query}) q`,
    );
    tables[table] = count?.rows ?? 0;
  }
  const { rows: [now] } = await client.query<{ now: Date }>("select now()");
  const header = {
    format: "curestry-export",
    version: 1,
    kind,
    ...description,
    exportedAt: now?.now,
    tables,
  };
  await writeLines(`${JSON.stringify(header)}\n`);
  let rows = 0;
  for (const { table_name: table, query } of queries) {
    if (tables[table] === 0) continue;
    const name = JSON.stringify(table);
    await client.query(
      `declare export no scroll cursor for select row::text as row from (${query}) q`,
    );
    while (true) {
      const { rows: batch } = await client.query<{ row: string }>(
        `fetch ${rowsPerFetch} from export`,
      );
      if (batch.length === 0) break;
      await writeLines(batch.map(({ row }) => `{"table":${name},"row":${row}}\n`).join(""));
      rows += batch.length;
    }
    await client.query("close export");
  }
  const sha256 = hash.digest("hex");
  await write(`${JSON.stringify({ end: true, rows, sha256 })}\n`);
  return { rows, sha256, tables };
}

/**
 * Gives something a file to write to, which is there under its name only once it is whole; without
 * a name, standard output.
 */
export async function withOutput<T>(
  file: string | undefined,
  use: (write: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  if (file === undefined) return await use(writeOut);
  const partial = `${file}.${process.pid}.partial`;
  // Personal data: readable by its owner only
  const handle = await open(partial, "wx", 0o600);
  try {
    const result = await use((text) => handle.appendFile(text));
    await handle.sync();
    await handle.close();
    await rename(partial, file);
    return result;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeOut(text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(text, (error) => error ? reject(error) : resolve());
  await promise;
}
