import type { Adaptor, Caller } from "../database/adaptor.ts";
import { isBusy } from "../database/connection_failures.ts";
import type { DatabaseClient } from "../database/transaction.ts";
import { textOf } from "./columns.ts";
import { badParameter } from "./file_error.ts";
import type { Key } from "./kinds.ts";
import type { ExportRequest } from "./read_export_request.ts";

/** Rows of an export, as texts: the cells of its columns, or one line of JSON. */
export interface Page {
  rows: (string | null)[][];
  bytes: number;
}

/** The first page has so many rows, no page more than … */
const firstRows = 200;
const mostRows = 5_000;
/** … and about so many bytes: one row more than these, at most. */
const pageBytes = 1024 * 1024;
/** How often a page is tried that took too long, or that waited for a lock; with fewer rows each time. */
const mostAttempts = 4;
const fewerRows = 8;

/**
 * The rows of an export, page by page in the order of their keys; one empty page if there are none. Each page is
 * a transaction of its own, with the credential and the permissions checked: between two pages there is no
 * connection and no snapshot, however slow the reader.
 *
 * @throws FileError, and whatever the database refuses
 */
export async function* readPages(
  adaptor: Adaptor,
  caller: Caller,
  request: ExportRequest,
): AsyncGenerator<Page> {
  const { order } = request.table;
  let after: string[] | null = null;
  let left = request.limit;
  let size = firstRows;
  if (request.after !== null) after = await inPage((client) => findRow(client, request));

  async function inPage<Result>(work: (client: DatabaseClient) => Promise<Result>) {
    const database = adaptor.openRequest(caller, "export");
    try {
      return await database.withPgClient(null, async (client) => {
        const [, result] = await Promise.all([beginPage(client, request), work(client)]);
        return result;
      });
    } finally {
      database.finish();
    }
  }

  for (let attempt = 1; left > 0;) {
    const asked = Math.min(size, left);
    const query = pageQuery(request, after, asked);
    let found: (string | null)[][];
    try {
      found = await inPage(async (
        client,
      ) => [...(await client.query<(string | null)[]>({ ...query, arrayMode: true })).rows]);
    } catch (error) {
      if (!isBusy(error) || attempt === mostAttempts) throw error;
      attempt++;
      size = Math.max(1, Math.ceil(asked / fewerRows));
      continue;
    }
    attempt = 1;
    const last = found.at(-1);
    const inDatabase = Number(last?.at(-1) ?? 0);
    const bytes = Number(last?.at(-2) ?? 0);
    if (last !== undefined) {
      after = last.slice(-2 - order.length, -2) as string[];
      left -= found.length;
      for (const row of found) row.length -= order.length + 2;
    }
    const isEnd = inDatabase < asked;
    yield { rows: found, bytes };
    if (isEnd && found.length === inDatabase) return;
    // Of long rows fewer: what is read in vain is not much more than what is sent
    const fitting = Math.ceil(found.length * pageBytes / Math.max(bytes, 1));
    size = Math.max(1, Math.min(2 * asked, fitting, mostRows));
  }
}

/**
 * Checks the permissions, and keeps the planner to the index that has the rows in order: where it knows too
 * little of an organization, it would read and sort all rows for each page. What few rows have may be sorted.
 */
async function beginPage(
  client: DatabaseClient,
  { table, format, isSelective }: ExportRequest,
): Promise<void> {
  const needs = format === "jsonl" ? table.line.needs : table.needs;
  const avoided = [
    "seqscan",
    "bitmapscan",
    "hashjoin",
    "mergejoin",
    ...(isSelective ? [] : ["sort"]),
  ];
  const calls = [
    ...needs.map((_, n) => `app.require($${n + 1})`),
    ...[...avoided.map((name) => `enable_${name}`), "jit"]
      .map((name) => `pg_catalog.set_config('${name}', 'off', true)`),
  ];
  await client.query({ text: `select ${calls.join(", ")}`, values: needs });
}

/** @throws FileError if it is not there */
async function findRow(
  client: DatabaseClient,
  { table, after }: ExportRequest,
): Promise<string[]> {
  const { from, id, order } = table;
  const { rows: [row] } = await client.query<string[]>({
    text: `select ${order.map(textOfKey).join(", ")} from ${from} where ${id.sql} = $1::${id.type}`,
    values: [after],
    arrayMode: true,
  });
  if (row === undefined) throw badParameter("after", "there is no such row (any more)");
  return row;
}

/**
 * A page: its columns, the keys, the bytes until here, and how many rows there are in the database, of those
 * that were asked for.
 */
function pageQuery(
  { table, format, conditions }: ExportRequest,
  after: readonly string[] | null,
  rows: number,
): { text: string; values: string[] } {
  const { order } = table;
  const values: string[] = [];
  const bind = (value: string) => `$${values.push(value)}`;
  const where = conditions.map(({ sql, value }) => sql.replace("?", () => bind(value)));
  if (after !== null) {
    const bound = order.map(({ type }, n) => `${bind(after[n]!)}::${type}`);
    where.push(`(${order.map(({ sql }) => sql).join(", ")}) > (${bound.join(", ")})`);
  }
  const isLine = format === "jsonl";
  const cells = isLine ? [`${table.line.sql}::text`] : table.columns.map(textOf);
  const keys = order.map(textOfKey);
  const named = [
    ...cells.map((sql, n) => `${sql} as c${n}`),
    ...keys.map((sql, n) => `${sql} as k${n}`),
  ];
  const out = [...cells.map((_, n) => `c${n}`), ...keys.map((_, n) => `k${n}`)].join(", ");
  const isLong = (n: number) => isLine || /^(text|json)$/.test(table.columns[n]!.type);
  const sizes = cells.flatMap((_, n) => isLong(n) ? [`coalesce(octet_length(c${n}), 0)`] : []);
  const text = `select ${out}, bytes::text, found::text
    from (select p.*, sum(size) over (rows unbounded preceding) as bytes, count(*) over () as found
            from (select q.*, ${sizes.join(" + ")} as size
                    from (select ${named.join(", ")}
                            from ${isLine ? table.line.from : table.from}
                           ${where.length === 0 ? "" : `where ${where.join(" and ")}`}
                           order by ${order.map(({ sql }) => sql).join(", ")}
                           limit ${rows}) q) p) w
   where bytes - size < ${pageBytes}`;
  return { text, values };
}

/** A key as text that its type reads again, to the last digit. */
function textOfKey({ sql, type }: Key): string {
  const columnType = type === "timestamptz" ? "time" : type === "date" ? "date" : "text";
  return textOf({ sql, type: columnType });
}
