import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../shared/log.ts";
import type { Cluster } from "./start_cluster.ts";

/** A server that is started again when it ends by itself. */
export interface KeptServer {
  /** Settles when the server has ended for good: it was asked to, or does not stay up. */
  exited: Promise<number | null>;
  stop(mode?: "fast" | "immediate"): Promise<void>;
}

/** A server that ends so often within the window does not stay up. */
const maxRestarts = 5;
const windowMs = 60_000;
/** Before the first restart; the pause doubles with each one in the window. */
const firstPauseMs = 100;

/**
 * Starts a server again when it dies: somebody killed it, or it had no memory left. What was committed
 * is there again after its recovery.
 *
 * @param restart starts it on the same port
 */
export function keepRunning(
  first: Cluster,
  restart: () => Promise<Cluster>,
  log: Log,
): KeptServer {
  let current = first;
  let isStopping = false;
  const ends: number[] = [];

  async function watch(): Promise<number | null> {
    for (;;) {
      const code = await current.exited;
      // 0: somebody asked it to end, by a signal of PostgreSQL's or by pg_ctl
      if (isStopping || code === 0) return code;
      for (;;) {
        const now = performance.now();
        while (ends[0] !== undefined && now - ends[0] > windowMs) ends.shift();
        if (ends.push(now) > maxRestarts) return code;
        log.error({ code, restarts: ends.length }, "PostgreSQL has ended: starting it again");
        await sleep(firstPauseMs * 2 ** (ends.length - 1));
        if (isStopping) return code;
        try {
          current = await restart();
          log.info("PostgreSQL runs again");
          break;
        } catch (error) {
          log.error({ err: error }, "PostgreSQL does not start");
        }
      }
    }
  }

  const exited = watch();
  exited.catch(() => {});
  return {
    exited,
    async stop(mode) {
      isStopping = true;
      await current.stop(mode);
      await exited;
      // It may have been starting just now
      await current.stop(mode);
    },
  };
}
