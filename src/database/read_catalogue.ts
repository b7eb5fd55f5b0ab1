import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import { withClient } from "./open_client.ts";

/** Something that a database has, and that the migrations may have made. */
export interface CatalogueObject {
  kind: string;
  /** Kind and name; the partitions of all months have one. */
  object: string;
  /** The same, with the name of the partition. */
  at: string;
  /** A digest of all that matters about it. */
  digest: string;
}

/** What the migrations make: the digest of each object. */
export type Catalogue = Record<string, string>;

/** Lists what the database has, with a digest of each: the same on every supported PostgreSQL. */
export async function readCatalogue(client: Client): Promise<CatalogueObject[]> {
  const sql = await readFile(new URL("./read_catalogue.sql", import.meta.url), "utf8");
  // Names come out qualified, however the login is set up
  await client.query("begin read only; set local search_path = ''; set local timezone = 'UTC'");
  const { rows } = await client.query<
    { kind: string; object: string; at: string; definition: string }
  >(sql);
  await client.query("rollback");
  return rows.map(({ kind, object, at, definition }) => ({
    kind,
    object: `${kind} ${object}`,
    at: `${kind} ${at}`,
    digest: createHash("sha256").update(definition).digest("hex").slice(0, 32),
  }));
}

/**
 * The text of migrations/catalogue.json.
 *
 * @param adminUrl of a database that has the committed migrations and nothing else
 */
export async function printCatalogue(adminUrl: string): Promise<string> {
  const objects = await withClient(adminUrl, readCatalogue);
  const catalogue: Catalogue = Object.fromEntries(
    objects.map(({ object, digest }) => [object, digest]),
  );
  return `${JSON.stringify(catalogue, null, 2)}\n`;
}
