import { randomBytes } from "node:crypto";
import { chmod, chown, cp, lstat, mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Account } from "./account.ts";
import { type Binaries, describe } from "./binaries.ts";
import { runProgram } from "./run_program.ts";

/**
 * Where root puts what the server's account must reach and cannot reach in the checkout. Its parent
 * belongs to root, so no other account can be there first, unlike in a directory for temporary files.
 */
const sharedDirectory = "/var/lib/curestry";

/**
 * The programs where the server's account can run them: where they are, or else a copy, which is
 * made once per version (60 MB).
 *
 * @param account null if the server runs as we do
 */
export async function reachableBinaries(
  binaries: Binaries,
  account: Account | null,
): Promise<Binaries> {
  if (account === null || await canRun(binaries, account)) return binaries;
  await makeRootOnlyDir(sharedDirectory);
  const target = join(sharedDirectory, `postgresql-${binaries.version}`);
  const copy = describe(target, binaries.version);
  if (!(await lstat(target).catch(() => null))) {
    const unfinished = `${target}.${randomBytes(8).toString("hex")}`;
    try {
      await cp(binaries.root, unfinished, { recursive: true, verbatimSymlinks: true });
      await chmod(unfinished, 0o755);
      await rename(unfinished, target);
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      // Another start was faster: renaming onto a directory that is not empty fails
      if (!(await lstat(target).catch(() => null))) throw error;
    }
  }
  await makeRootOnlyDir(target);
  if (!(await canRun(copy, account))) {
    throw new Error(
      `The account ${account.name} can run PostgreSQL neither in ${binaries.root} nor in ${target}: ` +
        "put the checkout where other accounts can read it (not below a home with mode 0700), " +
        "or set DATABASE_URL",
    );
  }
  return copy;
}

/**
 * The directory of the cluster: `postgres` in the data directory. Where the server's account cannot
 * get into the data directory, `postgres` becomes a symbolic link to a directory that it can reach.
 *
 * @param dataDir our data directory, which exists
 * @param account null if the server runs as we do
 * @returns the path for the server, with no link in it
 */
export async function reachableClusterDir(
  dataDir: string,
  account: Account | null,
): Promise<string> {
  const wanted = join(dataDir, "postgres");
  if (account === null) return wanted;
  const found = await lstat(wanted).catch(() => null);
  if (found?.isSymbolicLink()) {
    const target = await readlink(wanted);
    // Only links of ours are followed: root would chown whatever another one points at
    if (!target.startsWith(`${sharedDirectory}/data-`) || target.includes("..")) {
      throw new Error(
        `${wanted} is a symbolic link to ${target}, which Curestry did not make: ` +
          "name the real directory in CURESTRY_DATA_DIR",
      );
    }
    await makeRootOnlyDir(sharedDirectory);
    return target;
  }
  if (await canEnter(dataDir, account)) return wanted;
  if (found) {
    throw new Error(
      `The account ${account.name} cannot reach the database in ${wanted}: ` +
        "start Curestry as the user that made it, or open the directories above it",
    );
  }
  await makeRootOnlyDir(sharedDirectory);
  const target = join(sharedDirectory, `data-${randomBytes(8).toString("hex")}`);
  await mkdir(target, { mode: 0o700 });
  await chown(target, account.uid, account.gid);
  await symlink(target, wanted);
  return target;
}

async function canRun(binaries: Binaries, account: Account): Promise<boolean> {
  // initdb finds postgres and share through its own path, so both must be reachable
  try {
    return (await runProgram(binaries.postgres, ["-V"], account)).code === 0 &&
      await canEnter(join(binaries.root, "share"), account);
  } catch {
    return false;
  }
}

async function canEnter(directory: string, account: Account): Promise<boolean> {
  const { code } = await runProgram("/bin/sh", ["-c", 'cd -- "$0"', directory], account);
  return code === 0;
}

/** Makes a directory that only root can change, or makes sure that an existing one is so. */
async function makeRootOnlyDir(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const { uid, mode } = await lstat(directory);
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw new Error(
      `${directory} can be changed by others than root, so nothing in it can be trusted: ` +
        "remove it, or run `chown root` and `chmod 755` on it after looking inside",
    );
  }
}
