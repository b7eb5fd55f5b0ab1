import { createHash } from "node:crypto";
import type pg from "pg";
import { withClient } from "../../src/database/open_client.ts";
import type { TestDatabase } from "./database.ts";

/**
 * Runs SQL exactly as a request with this API key does: on the gateway's login, the credential
 * verified first, as curestry_member, in one transaction that is committed.
 *
 * @param key null: a request without credentials, as curestry_anonymous
 */
export async function asMember<T>(
  database: TestDatabase,
  key: string | null,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const hash = key === null ? null : createHash("sha256").update(key).digest("hex");
  return await withClient(database.gatewayUrl, async (client) => {
    await client.query("begin");
    await client.query("select app.begin_request(null, $1, null, 'test')", [hash]);
    await client.query(`set local role ${key === null ? "curestry_anonymous" : "curestry_member"}`);
    const result = await work(client);
    await client.query("commit");
    return result;
  });
}
