import { CurestryError } from "./error.ts";

/** How often, and how soon, something is tried again. */
export interface RetryOptions {
  /** Tries in all; 1 for no second one. */
  attempts?: number;
  /** The longest wait after the first failure; it doubles with each. */
  baseMs?: number;
  /** Where the doubling ends. What the gateway asks for in `Retry-After` may be longer. */
  maxMs?: number;
}

/** Waits; rejects with the signal's reason when it is aborted. */
export type Pause = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Waits by the clock. */
export const pause: Pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });

/**
 * How long to wait before the next try: as long as the gateway says and a random time that grows, so that
 * clients that failed together do not come back together.
 *
 * @param failures so far
 */
export function waitFor(failures: number, error: unknown, options: RetryOptions): number {
  const { baseMs = 200, maxMs = 10_000 } = options;
  const longest = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  const told = error instanceof CurestryError ? error.retryAfterMs ?? 0 : 0;
  return told + Math.random() * longest;
}

/**
 * Whether the same request may succeed later. Status 429 refuses before anything is done, so that
 * everything may be sent again; after a lost connection or `UNAVAILABLE` nobody knows what was done.
 */
export function mayRetry(error: unknown, repeatable: boolean): boolean {
  if (!(error instanceof CurestryError)) return false;
  if (error.status === 429) return true;
  return repeatable && ["NETWORK", "UNAVAILABLE"].includes(error.code);
}

/** Runs it until it succeeds, must not be repeated, or has been tried often enough. */
export async function withRetry<T>(
  run: () => Promise<T>,
  options: RetryOptions & {
    repeatable: boolean;
    pause: Pause;
    signal?: AbortSignal | undefined;
  },
): Promise<T> {
  for (let failures = 1;; failures++) {
    try {
      return await run();
    } catch (error) {
      if (failures >= (options.attempts ?? 5) || !mayRetry(error, options.repeatable)) throw error;
      await options.pause(waitFor(failures, error, options), options.signal);
    }
  }
}
