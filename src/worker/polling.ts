import type { Log } from "../shared/log.ts";
import { pause } from "../shared/pause.ts";
import type { Poll } from "./task.ts";

/**
 * Runs each poll in a loop of its own, so that none waits for another. One that fails is logged and
 * run again after its interval; the crontab runs the same work as a safety net.
 *
 * @param polls by the name of their task
 * @returns stops after the runs in hand, and what they have begun
 */
export function startPolling(
  polls: ReadonlyMap<string, Poll>,
  log: Log,
): { stop(): Promise<void> } {
  const stopping = new AbortController();

  async function runInLoop(name: string, poll: Poll): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await poll.run();
      } catch (error) {
        log.warn({ err: error, poll: name }, "A poll of the worker failed");
      }
      await pause(poll.intervalMs, stopping.signal);
    }
    await poll.settle?.();
  }

  const loops = [...polls].map(([name, poll]) => runInLoop(name, poll));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}
