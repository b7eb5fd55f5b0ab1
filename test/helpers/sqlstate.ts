import pg from "pg";
import { withClient } from "../../src/database/open_client.ts";

/**
 * Runs statements one after the other on a connection of their own, as somebody in psql does, and
 * answers the SQLSTATE of the last one: "" if it succeeded. Earlier ones may fail too.
 */
export async function sqlstate(url: string, ...statements: string[]): Promise<string> {
  return await withClient(url, async (client) => {
    let state = "";
    for (const statement of statements) {
      try {
        await client.query(statement);
        state = "";
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        state = error.code ?? "unknown";
      }
    }
    return state;
  });
}
