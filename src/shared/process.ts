import process from "node:process";
import { watchNpx } from "./watch_npx.ts";

/** Signals that ask a program to end. */
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Requests to end this program. */
export interface StopRequests {
  /** The first one: to end in good order; what happened, for the log. */
  first: Promise<string>;
  /** Another one, some time later: to end at once. */
  again: Promise<string>;
}

/**
 * One Ctrl-C arrives up to three times: from the terminal, from `deno task` and from npm. A signal
 * this soon after the first is a copy of it.
 */
const repeatedSignalWindowMs = 1500;

/** Listens for requests to end this program: signals, and the end of the `npx` that started it. */
export function listenForStop(): StopRequests {
  const first = Promise.withResolvers<string>();
  const again = Promise.withResolvers<string>();
  let firstAt: number | null = null;
  function ask(reason: string): void {
    firstAt ??= performance.now();
    if (performance.now() - firstAt > repeatedSignalWindowMs) again.resolve(reason);
    first.resolve(reason);
  }
  for (const signal of stopSignals) process.on(signal, () => ask(signal));
  watchNpx(() => first.resolve("the end of npx"));
  return { first: first.promise, again: again.promise };
}

/**
 * Says what went wrong, in a sentence for people, and ends the program.
 *
 * @param error its message is enough for a mistake in how the program was started; with
 * CURESTRY_LOG_LEVEL=debug the stack is shown too
 */
export function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  const stack =
    error instanceof Error && /^(debug|trace)$/.test(process.env.CURESTRY_LOG_LEVEL ?? "")
      ? `\n${error.stack}`
      : "";
  process.stderr.write(`${message}${stack}\n`);
  process.exit(1);
}
