import type { Client } from "pg";
import { errorCode } from "./open_client.ts";

/**
 * Makes a database if it is absent, in UTF-8 and, where the server can, with an order of text that
 * depends on no library of the system: the same on every server.
 *
 * @param client connected to another database of the server
 * @param major of the server
 * @returns whether it was made
 * @throws {Error} if this login may not, or if an existing database is not in UTF-8
 */
export async function makeDatabase(
  client: Client,
  database: string,
  major: number,
): Promise<boolean> {
  const { rows } = await client.query<{ encoding: string }>(
    "select pg_catalog.pg_encoding_to_char(encoding) as encoding from pg_catalog.pg_database " +
      "where datname = $1",
    [database],
  );
  const encoding = rows[0]?.encoding;
  if (encoding !== undefined) {
    if (encoding === "UTF8") return false;
    throw new Error(
      `The database ${database} has the encoding ${encoding}; Curestry needs UTF8: ` +
        "name another database in DATABASE_URL, which is then made",
    );
  }
  const make = `create database ${client.escapeIdentifier(database)} ` +
    "template template0 encoding 'UTF8'";
  const locale = major >= 17
    ? "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
    : "lc_collate 'C' lc_ctype 'C.UTF-8'";
  try {
    await client.query(`${make} ${locale}`).catch(async (error) => {
      // A system without this locale: take the server's own
      if (!["42809", "22023"].includes(errorCode(error))) throw error;
      await client.query(make);
    });
  } catch (cause) {
    // Another migration has made it meanwhile
    if (["42P04", "23505"].includes(errorCode(cause))) return false;
    if (errorCode(cause) !== "42501") throw cause;
    throw new Error(
      `The database ${database} does not exist, and this login may not create it: create it, ` +
        "or give DATABASE_URL a login with CREATEDB",
      { cause },
    );
  }
  return true;
}
