import { setTimeout } from "node:timers/promises";

/** Waits so many milliseconds, or until the signal; does not throw. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {});
}
