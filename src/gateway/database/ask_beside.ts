import pg from "pg";
import type { Pool, QueryResultRow } from "pg";

/** Asks the database one question, beside the requests. */
export type AskBeside = <Row extends QueryResultRow>(sql: string) => Promise<readonly Row[]>;

/** How much later than the server would we stop waiting ourselves: then it hangs. */
const hungServerMs = 1_000;

/**
 * Makes the way of health checks and metrics to the database: over connections that no request
 * takes, and with a time limit on both sides, so that they tell "busy" from "down".
 *
 * @param pool two connections suffice
 * @param timeoutMs how long an answer may take
 */
export function makeAskBeside(pool: Pool, timeoutMs: number): AskBeside {
  return async function askBeside<Row extends QueryResultRow>(sql: string) {
    const client = await pool.connect();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error("The database hangs")),
      timeoutMs + hungServerMs,
    );
    let isBroken = false;
    async function ask(): Promise<readonly Row[]> {
      await client.query(
        `begin; set local statement_timeout = ${timeoutMs}; ` +
          `set local lock_timeout = ${timeoutMs}`,
      );
      try {
        return (await client.query<Row>(sql)).rows;
      } finally {
        await client.query("rollback");
      }
    }
    try {
      const answer = ask();
      answer.catch(() => {});
      return await Promise.race([answer, late.promise]);
    } catch (error) {
      isBroken = !(error instanceof pg.DatabaseError);
      throw error;
    } finally {
      clearTimeout(timer);
      client.release(isBroken);
    }
  };
}
