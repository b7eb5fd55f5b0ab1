import type { MakeTask } from "../../src/worker/task.ts";

/** Compares a random sample of the marts with their source, and writes down what it found. */
const makeCheckMarts: MakeTask = ({ pool, log }) => ({
  async run() {
    const { rows: [check] } = await pool.query<{ buckets: number; differences: number }>(
      "select buckets, differences from app.mart_check_sample()",
    );
    if (check && check.differences > 0) log.error({ ...check }, "The marts are not right");
  },
});
export default makeCheckMarts;
