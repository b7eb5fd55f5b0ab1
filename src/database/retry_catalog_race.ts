import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "./open_client.ts";

/**
 * Roles belong to the whole server, so two databases that are installed at once may change the same
 * one. PostgreSQL lets the later fail: with a unique violation or "already exists" when both make it,
 * with "tuple concurrently updated" when both change it, or with a deadlock. Trying again is all it takes.
 *
 * @param run must be one statement or one implicit transaction, and repeatable
 */
export async function retryCatalogRace<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (error) {
      const isRace = ["23505", "42710", "42P06", "42P07", "40P01"].includes(errorCode(error)) ||
        (error instanceof Error && /tuple concurrently (updated|deleted)/.test(error.message));
      if (!isRace || attempt === 30) throw error;
      await sleep(Math.random() * 50 * Math.min(attempt, 10));
    }
  }
}
