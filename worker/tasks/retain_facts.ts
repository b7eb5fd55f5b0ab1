import { retainFacts } from "../../src/maintenance/retain_facts.ts";
import type { MakeTask } from "../../src/worker/task.ts";

/** Removes what its organizations do not keep, batch after batch. Safe to repeat. */
const makeRetainFacts: MakeTask = ({ pool, log }) => ({
  async run() {
    for (
      const { organization_id, runs, feature_events } of await retainFacts((sql) => pool.query(sql))
    ) {
      if (runs + feature_events > 0) {
        log.info({ organization_id, runs, feature_events }, "Removed what is too old to be kept");
      }
    }
  },
});
export default makeRetainFacts;
