import { spawn } from "node:child_process";
import process from "node:process";
import { taskFlags, taskOf } from "../../src/develop/task_flags.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";

/** How a process ended, and what it printed. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A process of ours that runs. */
export interface RunningProcess {
  pid: number;
  ended: Promise<Ended>;
  /**
   * Waits for something that it prints, on standard output or standard error.
   *
   * @throws {Error} with all its output, if it ends before
   */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

const running = new Set<RunningProcess>();

/**
 * Runs a program of this repository as the user does, with the permissions of its task in deno.json,
 * and none of the settings that a developer may have. Only Deno itself is kept quiet: what it downloads
 * in a fresh clone.
 *
 * @param args the module, and its arguments
 * @param command what runs it, with more or fewer permissions or resources
 */
export function runProcess(
  args: string[],
  env: Record<string, string>,
  command: string[] = [process.execPath, ...flagsFor(args[0] ?? ""), "--quiet"],
): RunningProcess {
  const [program = "", ...before] = command;
  const inherited = Object.entries(process.env).filter(([name]) =>
    !/^(DATABASE_URL|HOST|PORT|NODE_OPTIONS|npm_.*|(CURESTRY|TEST|VITEST|PG).*)$/.test(name)
  );
  const child = spawn(program, [...before, ...args], {
    cwd: repositoryRoot,
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
    listeners.forEach((listener) => listener());
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
    listeners.forEach((listener) => listener());
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<Ended>();
  child.on("error", reject);
  child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  /** Not `child.kill`: with it Deno 2.9 reports the signal as the end of a child that exited with a code. */
  function kill(signal: NodeJS.Signals): void {
    try {
      if (child.pid !== undefined) process.kill(child.pid, signal);
    } catch {
      // It has ended meanwhile
    }
  }
  const result: RunningProcess = {
    pid: child.pid ?? 0,
    ended,
    async prints(pattern) {
      const found = Promise.withResolvers<RegExpExecArray>();
      function look(): void {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match) found.resolve(match);
      }
      listeners.add(look);
      look();
      ended.then(({ code }) =>
        found.reject(
          new Error(`It ended (${code}) without printing ${pattern}:\n${stdout}${stderr}`),
        )
      );
      try {
        return await found.promise;
      } finally {
        listeners.delete(look);
      }
    },
    kill,
    async stop(signal = "SIGTERM") {
      kill(signal);
      return await ended;
    },
  };
  running.add(result);
  ended.finally(() => running.delete(result)).catch(() => {});
  return result;
}

/** A module that no task runs is a test's own, and may do all. */
function flagsFor(module: string): string[] {
  const task = taskOf(module);
  return task === null ? ["run", "-A"] : taskFlags(task);
}

/** Ends what a failed test left running, or halted, or hanging; for `afterEach`. */
export async function stopProcesses(): Promise<void> {
  await Promise.all([...running].map(async (one) => {
    one.kill("SIGCONT");
    const timer = setTimeout(() => one.kill("SIGKILL"), 30_000);
    await one.stop().finally(() => clearTimeout(timer));
  }));
}
