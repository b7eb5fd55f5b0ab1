import type { Ended, RunningProcess } from "../start/run_process.ts";

/** A process that is started again, as a process manager does, whenever it ends. */
export interface KeptProcess {
  /** Settles when the one that runs now has said that it is ready. */
  ready(): Promise<void>;
  /** Kills it, at once or when it is ready, and waits for its end. */
  kill(): Promise<void>;
  /** Those that had been ready and ended although nobody had asked for it. */
  readonly unexpected: readonly Ended[];
  /** What all of them, and the one that runs now, wrote to standard error. */
  stop(): Promise<string[]>;
}

/**
 * Starts a process and keeps it.
 *
 * @param isReady what it prints when it is
 */
export function keepProcess(start: () => RunningProcess, isReady: RegExp): KeptProcess {
  let process: RunningProcess;
  let ready: Promise<void>;
  let keeping = true;
  const unexpected: Ended[] = [];
  const output: string[] = [];
  const killed = new Set<RunningProcess>();

  function begin(): void {
    const started = process = start();
    let wasReady = false;
    const printed = started.prints(isReady).then(() => void (wasReady = true), () => {});
    ready = printed.then(() => started === process ? undefined : ready);
    started.ended.then((ended) => {
      output.push(ended.stderr);
      if (!keeping) return;
      if (wasReady && !killed.has(started)) unexpected.push(ended);
      begin();
    });
  }
  begin();
  return {
    ready: () => ready,
    async kill() {
      await ready;
      const victim = process;
      killed.add(victim);
      victim.kill("SIGKILL");
      await victim.ended;
    },
    unexpected,
    async stop() {
      keeping = false;
      await process.stop("SIGTERM");
      return output;
    },
  };
}
