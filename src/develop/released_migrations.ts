import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The tracked list, in the format of sha256sum; lines that begin with # name the release. */
export const releasedList = "released.sha256";

/**
 * Compares committed migrations with the list of those that were released, which never change: the
 * databases of users have them.
 *
 * @param folder holds committed/ and the list
 * @returns a sentence for each difference
 */
export async function checkReleasedMigrations(folder: string): Promise<string[]> {
  const released = parseList(await readFile(join(folder, releasedList), "utf8"));
  const committed = (await readdir(join(folder, "committed"))).filter((file) =>
    file.endsWith(".sql")
  ).toSorted();
  const wrong: string[] = [];
  for (const [file, digest] of released) {
    if (!committed.includes(file)) wrong.push(`The released migration ${file} is gone: restore it`);
    else if (await digestOf(join(folder, "committed", file)) !== digest) {
      wrong.push(
        `The released migration ${file} has changed: restore it, and write another migration`,
      );
    }
  }
  const last = [...released.keys()].at(-1) ?? "";
  for (const file of committed) {
    if (file < last && !released.has(file)) {
      wrong.push(`The migration ${file} is older than released ones, but not in ${releasedList}`);
    }
  }
  return wrong;
}

function parseList(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const [, digest, file] = /^([0-9a-f]{64}) {2}committed\/(\S+\.sql)$/.exec(line) ?? [];
    if (digest === undefined || file === undefined) {
      throw new Error(`${releasedList}: not a line of sha256sum: ${line}`);
    }
    return [file, digest];
  }));
}

async function digestOf(file: string): Promise<string> {
  return createHash("sha256").update(await readFile(file)).digest("hex");
}
