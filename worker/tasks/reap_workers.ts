import type { MakeTask } from "../../src/worker/task.ts";

/** Gives the jobs of workers that died to others. */
const makeReapWorkers: MakeTask = ({ pool, log, times }) => {
  const { heartbeatTimeoutMs } = times;
  async function reap(): Promise<void> {
    const { rows: [row] } =
      await (heartbeatTimeoutMs === undefined
        ? pool.query<{ jobs: number }>("select app.worker_reap() as jobs")
        : pool.query<{ jobs: number }>(
          "select app.worker_reap($1 * interval '1 millisecond') as jobs",
          [heartbeatTimeoutMs],
        ));
    if (row?.jobs) log.warn({ jobs: row.jobs }, "A worker died: its jobs run again");
  }
  return { run: reap, poll: { intervalMs: times.reapIntervalMs, run: reap } };
};
export default makeReapWorkers;
