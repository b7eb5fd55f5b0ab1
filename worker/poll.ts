import type { Log } from "../src/log.ts";
import { pause } from "./pause.ts";
import type { Poll } from "./task.ts";

/**
 * Looks for work again and again, each poll in a round of its own, so that none waits for another.
 * One that fails is logged and tried again with the next round; the crontab runs the same work as a
 * safety net.
 *
 * @param polls by the name of their task
 * @returns stops after the looks in hand, and what they have begun
 */
export function startPolling(
  polls: ReadonlyMap<string, Poll>,
  log: Log,
): { stop(): Promise<void> } {
  const stopping = new AbortController();

  async function goRound(name: string, poll: Poll): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await poll.look();
      } catch (error) {
        log.warn({ err: error, poll: name }, "A poll of the worker failed");
      }
      await pause(poll.interval, stopping.signal);
    }
    await poll.settle?.();
  }

  const rounds = [...polls].map(([name, poll]) => goRound(name, poll));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(rounds);
    },
  };
}
