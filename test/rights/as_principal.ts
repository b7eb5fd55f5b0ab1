import pg from "pg";
import type { Principal } from "./world.ts";

/** What became of a statement, which was undone again. */
export interface Outcome {
  /** The SQLSTATE of its error, if it failed. */
  code: string | undefined;
  message: string | undefined;
  /** Rows that it answered or changed. */
  count: number;
  // deno-lint-ignore no-explicit-any -- what comes back depends on the statement
  rows: any[];
}

/** Tries a statement. */
export type Try = (sql: string, values?: unknown[]) => Promise<Outcome>;

/**
 * Gives `work` the SQL of a principal: an analyst's or the worker's own login, and for requests the
 * gateway's, with the credential verified and the role changed as the gateway does it. Every
 * statement is undone, so that none changes what the next one finds.
 */
export async function asPrincipal<T>(
  principal: Principal,
  work: (attempt: Try) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: principal.url, pipeline: true });
  await client.connect();
  try {
    await client.query("begin read write");
    if (principal.role === "member" || principal.role === "anonymous") {
      await client.query("select app.begin_request($1, $2, $3, 'rights')", [
        principal.jwtId,
        principal.keyHash,
        principal.slug,
      ]);
      await client.query(`set local role curestry_${principal.role}`);
    }
    await client.query("savepoint clean");
    const result = await work(async (sql, values = []) => {
      let outcome: Outcome;
      const answer = client.query(sql, values);
      // Sent behind it without waiting: thousands of statements are tried
      const undone = client.query("rollback to clean");
      try {
        const { rows, rowCount } = await answer;
        outcome = { code: undefined, message: undefined, count: rowCount ?? 0, rows };
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        outcome = { code: error.code, message: error.message, count: 0, rows: [] };
      }
      await undone;
      return outcome;
    });
    await client.query("rollback");
    return result;
  } finally {
    await client.end();
  }
}
