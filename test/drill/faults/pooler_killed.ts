import { type Fault, formatMs, skipped } from "../fault.ts";
import { untilWritten } from "../writing.ts";

/** PgBouncer in transaction mode stands before the server of the second gateway. */
export const poolerKilled: Fault = {
  name: "pooler-killed",
  done: "kill -9 of the PgBouncer (transaction mode) before gateway 2",
  promise: "no 500 through it; requests end with 503; back by itself, nothing lost",
  weight: 8,
  async run(installation) {
    if (installation.pooler === null) return skipped("pgbouncer is not installed");
    await installation.pooler.crash();
    return { text: `back after ${formatMs(await untilWritten(installation))}`, kept: true };
  },
};
