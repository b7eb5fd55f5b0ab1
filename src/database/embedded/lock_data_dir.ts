import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Who uses a data directory: a `start`, or a command that needs the database for one call. */
export interface Holder {
  pid: number;
  kind: "start" | "call";
  /** Whether its database is up and migrated. */
  ready: boolean;
}

/** The right to run the server of a data directory. */
export interface DataDirLock {
  /** Tells others that the database is up and migrated. */
  setReady(): Promise<void>;
  /** Can be called again. */
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process. The system frees it when the process ends, however it
 * ends, so no stale lock is ever left.
 *
 * @param dataDir exists
 * @returns null if another process has it; see `readHolder`
 */
export async function lockDataDir(
  dataDir: string,
  kind: Holder["kind"],
): Promise<DataDirLock | null> {
  // node:fs has no file locks
  const file = await Deno.open(join(dataDir, "lock"), { create: true, write: true, mode: 0o600 });
  if (!(await file.tryLock(true))) {
    file.close();
    return null;
  }
  // Beside the lock, because on Windows a locked file cannot be read
  const note = join(dataDir, "lock.json");
  async function write(ready: boolean): Promise<void> {
    const holder: Holder = { pid: process.pid, kind, ready };
    await writeFile(note, JSON.stringify(holder), { mode: 0o600 });
  }
  await write(false);
  let released = false;
  return {
    setReady: () => write(true),
    async release() {
      if (released) return;
      released = true;
      await rm(note, { force: true });
      file.close();
    },
  };
}

/** Who has a data directory, as far as is known yet; null if it is free. */
export async function readHolder(dataDir: string): Promise<Holder | null> {
  try {
    const file = await Deno.open(join(dataDir, "lock"), { write: true });
    // A lock that is there to be had has no holder, whatever the note beside it says
    try {
      if (await file.tryLock(true)) return null;
    } finally {
      file.close();
    }
    return JSON.parse(await readFile(join(dataDir, "lock.json"), "utf8"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    // Between taking the lock and writing the note
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") {
      return { pid: 0, kind: "call", ready: false };
    }
    throw error;
  }
}
