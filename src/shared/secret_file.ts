import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SettingsError } from "./settings.ts";

/**
 * Reads a secret of the data directory; whoever comes first makes it, and all get the same.
 *
 * @throws {SettingsError} if what the file holds cannot be used
 */
export async function readSecretFile<T>(
  dataDir: string,
  name: string,
  make: () => string,
  parse: (text: string) => T,
): Promise<T> {
  const path = join(dataDir, name);
  let text = await readFile(path, "utf8").catch(ignoreMissing);
  if (text === null) {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    // A link, unlike a rename, never replaces the one that another process has just made
    await writeWhole(path, make(), (unfinished) =>
      link(unfinished, path).catch((error) => {
        if (error.code !== "EEXIST") throw error;
      }));
    text = await readFile(path, "utf8");
  } else if (process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0) {
    await chmod(path, 0o600);
  }
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SettingsError(`The file ${path} cannot be used: ${reason}`);
  }
}

/** Replaces a secret of the data directory in one step: whoever reads it gets the old or the new one. */
export async function replaceSecretFile(
  dataDir: string,
  name: string,
  text: string,
): Promise<void> {
  const path = join(dataDir, name);
  await writeWhole(path, text, (unfinished) => rename(unfinished, path));
}

async function writeWhole(
  path: string,
  text: string,
  putInPlace: (unfinished: string) => Promise<void>,
): Promise<void> {
  const unfinished = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    await writeFile(unfinished, text, { mode: 0o600, flag: "wx", flush: true });
    await putInPlace(unfinished);
  } finally {
    await rm(unfinished, { force: true });
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}
