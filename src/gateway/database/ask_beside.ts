import type { Pool, QueryResultRow } from "pg";
import { isFromServer } from "./connection_failures.ts";

/** Asks the database one question, beside the requests. */
export type AskBeside = <Row extends QueryResultRow>(
  sql: string,
  values?: unknown[],
) => Promise<readonly Row[]>;

/** How long an answer may take. Times are in milliseconds. */
export interface AskLimits {
  timeoutMs: number;
  /** How much later than the server would we stop waiting ourselves: then it hangs. */
  hungServerMs: number;
}

/**
 * Makes a way to the database for questions of the gateway's own: over connections that no request takes, each in a
 * transaction that changes nothing and ends all that it set, and with a time limit on both sides, so that a database
 * that is busy is told from one that is down.
 *
 * @param pool connections of the gateway's login, with `pipeline: true`
 */
export function makeAskBeside(pool: Pool, { timeoutMs, hungServerMs }: AskLimits): AskBeside {
  return async function askBeside<Row extends QueryResultRow>(sql: string, values: unknown[] = []) {
    const client = await pool.connect();
    const hung = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => hung.reject(new Error("The database hangs")),
      timeoutMs + hungServerMs,
    );
    const begun = client.query(
      `begin; set local statement_timeout = ${timeoutMs}; set local lock_timeout = ${timeoutMs}`,
    );
    const asked = client.query<Row>(sql, values);
    const ended = client.query("rollback");
    const answers = Promise.all([begun, asked, ended]);
    answers.catch(() => {});
    let works = true;
    try {
      const [, { rows }] = await Promise.race([answers, hung.promise]);
      return rows;
    } catch (error) {
      works = isFromServer(error) && await ended.then(() => true, () => false);
      throw error;
    } finally {
      clearTimeout(timer);
      client.release(!works);
    }
  };
}
