import { readdir, readFile } from "node:fs/promises";
import process from "node:process";

/** The processes that a process has started; on Linux. */
export async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    if (Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]) === pid) children.push(Number(name));
  }
  return children;
}

/** Sends a signal to those that are still there. */
export function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended meanwhile
    }
  }
}
