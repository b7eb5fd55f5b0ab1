import { makeRefresher } from "../../src/worker/refresher.ts";
import type { MakeTask } from "../../src/worker/task.ts";

/** Brings the marts up to date, each organization by itself. */
const makeRefreshMarts: MakeTask = ({ pool, times }) => {
  const refresher = makeRefresher(pool);
  return {
    run: () => refresher.refreshAll(),
    poll: { intervalMs: times.pollIntervalMs, run: refresher.begin, settle: refresher.settle },
  };
};
export default makeRefreshMarts;
