import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** Mutation testing breaks what is waited for, and makes it shorter. */
const deadlineMs = Number(process.env.CURESTRY_TEST_DEADLINE_MS ?? 60_000);
const pauseMs = 50;

/**
 * Waits until a check passes, which is tried again and again, and answers what it answers. The
 * deadline is far away, for busy machines: only a test that fails meets it.
 */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  const giveUp = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await before(giveUp, check);
    } catch (error) {
      if (performance.now() >= giveUp) throw error;
    }
    await sleep(pauseMs);
  }
}

async function before<T>(giveUp: number, check: () => T | Promise<T>): Promise<T> {
  const late = new AbortController();
  const tooLate = sleep(Math.max(1, giveUp - performance.now()), undefined, { signal: late.signal })
    .then(() => Promise.reject(new Error("The check did not end")));
  tooLate.catch(() => {});
  try {
    return await Promise.race([check(), tooLate]);
  } finally {
    late.abort();
  }
}
