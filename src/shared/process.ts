import { readFile } from "node:fs/promises";
import process from "node:process";

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

/**
 * Listens for requests to end this program: signals, and the end of the `npx` that started it.
 * `npx -y deno task start` passes no SIGTERM on to us; without this we would run on after it.
 */
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
  watchNpx(() => first.resolve("the end of npx")).catch(() => {});
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

async function watchNpx(ended: () => void): Promise<void> {
  const ancestors = await readNpxAncestors();
  if (ancestors.length === 0) return;
  const timer = setInterval(async () => {
    for (const { pid, parent } of ancestors) {
      if (await readParent(pid) === parent) continue;
      clearInterval(timer);
      return ended();
    }
  }, 500);
  // This alone must not keep the program alive
  timer.unref();
}

/** From our parent up to npx, if we were started by it; on Linux, where this can be looked up. */
async function readNpxAncestors(): Promise<{ pid: number; parent: number }[]> {
  if (process.env.npm_command !== "exec" || process.platform !== "linux") return [];
  const ancestors: { pid: number; parent: number }[] = [];
  for (let pid = process.ppid; pid > 1 && ancestors.length < 8;) {
    const parent = await readParent(pid);
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (/^npm exec|\/(npx|npx-cli\.js|npm-cli\.js)\0/.test(command)) return ancestors;
    ancestors.push({ pid, parent });
    pid = parent;
  }
  // Some other launcher, which may end before us
  return [];
}

/** 0 for a process that has ended. */
async function readParent(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
}
