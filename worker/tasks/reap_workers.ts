import type { MakeTask } from "../task.ts";

/** Gives the jobs of workers that died to others. */
const makeReapWorkers: MakeTask = ({ pool, log, times }) => {
  async function reap(): Promise<void> {
    const { rows: [row] } = await pool.query<{ jobs: number }>(
      "select app.reap_workers($1 * interval '1 millisecond') as jobs",
      [times.silence],
    );
    if (row?.jobs) log.warn({ jobs: row.jobs }, "A worker died: its jobs run again");
  }
  return { run: reap, poll: { interval: times.reap, look: reap } };
};
export default makeReapWorkers;
