import { makeRefresher } from "../refresher.ts";
import type { MakeTask } from "../task.ts";

/** Brings the marts up to date, each organization by itself. */
const makeRefreshMarts: MakeTask = ({ pool, times }) => {
  const refresher = makeRefresher(pool);
  return {
    run: () => refresher.refreshAll(),
    poll: { interval: times.look, look: refresher.look, settle: refresher.settle },
  };
};
export default makeRefreshMarts;
