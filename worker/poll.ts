import type { Pool } from "pg";
import type { Log } from "../src/log.ts";

/** Work that is looked for all the time, because a queue inside a writer's transaction costs too much. */
export interface Poll {
  /** For the log. */
  name: string;
  /** One SQL call, cheap when there is nothing to do, safe to repeat and at several workers at once. */
  run(pool: Pool): Promise<void>;
}

/** How long to wait between looks, in milliseconds. */
const INTERVAL = 2000;

/**
 * Runs the polls one after the other, again and again. One that fails is logged and tried again with
 * the next round; the crontab runs the same work as a safety net.
 *
 * @returns stops after the poll in hand
 */
export function startPolling(
  pool: Pool,
  polls: readonly Poll[],
  log: Log,
): { stop(): Promise<void> } {
  const stopping = Promise.withResolvers<void>();
  let running = true;
  const rounds = (async () => {
    while (running) {
      for (const poll of polls) {
        if (!running) return;
        try {
          await poll.run(pool);
        } catch (error) {
          log.warn({ err: error, poll: poll.name }, "A poll of the worker failed");
        }
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        stopping.promise,
        new Promise((resolve) => timer = setTimeout(resolve, INTERVAL)),
      ]);
      clearTimeout(timer);
    }
  })();
  return {
    async stop() {
      running = false;
      stopping.resolve();
      await rounds;
    },
  };
}
