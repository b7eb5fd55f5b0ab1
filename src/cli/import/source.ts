import { open } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import type { FileSource } from "../../files/read_records.ts";

/** A file that is read, or standard input. */
export interface Source extends FileSource {
  /** In bytes; null if unknown. */
  size: number | null;
}

/**
 * Opens a file for an import.
 *
 * @param file a path, relative to the user's working directory, or `-` for standard input
 * @throws {Error} if it cannot be read, saying why
 */
export async function openSource(file: string): Promise<Source> {
  if (file === "-") return { name: "standard input", size: null, chunks: process.stdin };
  // deno task goes to the root of the checkout, and tells here where it was called
  const path = resolve(process.env.INIT_CWD ?? process.cwd(), file);
  try {
    const handle = await open(path);
    const found = await handle.stat();
    if (found.isDirectory()) {
      await handle.close();
      throw new Error(`${file} is a directory: name a file`);
    }
    const size = found.isFile() ? found.size : null;
    return { name: file, size, chunks: handle.createReadStream() };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new Error(`There is no file ${path}`, { cause });
    if (code === "EACCES") throw new Error(`The file ${path} may not be read`, { cause });
    if (cause instanceof Deno.errors.NotCapable) {
      throw new Error(
        `${file} is a device or a pipe, which commands may not open: send its contents to standard ` +
          "input, and name - instead",
        { cause },
      );
    }
    throw cause;
  }
}
