import type { MakeTask } from "../../src/worker/task.ts";

/** Ends the sessions of analysts that stop others, or last longer than the settings allow. */
const makeWatchAnalysts: MakeTask = ({ pool, log, times }) => {
  async function watch(): Promise<void> {
    const { rows } = await pool.query<
      { login: string; pid: number; reason: string; seconds: number }
    >(
      `select * from app.analyst_end_sessions($1 * interval '1 millisecond', $2 * interval '1 millisecond')`,
      [times.analystStatementLimitMs, times.analystIdleLimitMs],
    );
    for (const session of rows) log.warn(session, "Ended a session of an analyst");
  }
  return { run: watch, poll: { intervalMs: times.watchIntervalMs, run: watch } };
};
export default makeWatchAnalysts;
