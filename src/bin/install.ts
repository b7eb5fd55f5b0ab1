import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * `deno task install`, which other tasks run first: installs the npm packages that what runs needs, by
 * runtime.lock; `install:all` (with --all) those for development too, by deno.lock. Imports no package
 * itself, and nothing of ours: there may be nothing to import yet.
 */

const root = fileURLToPath(new URL("../..", import.meta.url));
const packages = join(root, "node_modules");
/** Tells the lock file by which the packages were installed, and what it held. */
const noteFile = join(packages, ".installed");

async function main(): Promise<number> {
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  // They would be taken away from a developer otherwise
  const all = process.argv.includes("--all") || await areThere(Object.keys(devDependencies));
  const lock = all ? "deno.lock" : "runtime.lock";
  const bytes = await readFile(join(root, lock));
  const note = `${lock} ${createHash("sha256").update(bytes).digest("hex")}\n`;
  if (await readFile(noteFile, "utf8").catch(() => "") === note) return 0;

  const count = Object.keys(JSON.parse(bytes.toString("utf8")).npm).length;
  const start = performance.now();
  process.stderr.write(`Installing ${count} packages${all ? " for development" : ""}, once … `);
  await removeOtherLayout();
  const code = await run([
    "install",
    "--quiet",
    "--frozen",
    `--lock=${lock}`,
    ...(all ? [] : ["--prod"]),
  ]);
  if (code !== 0) {
    process.stderr.write(
      "The packages could not be installed; the next attempt goes on from here\n",
    );
    return 1;
  }
  await mkdir(packages, { recursive: true });
  await writeFile(noteFile, note);
  process.stderr.write(`done in ${((performance.now() - start) / 1_000).toFixed(1)} s\n`);
  return 0;
}

async function areThere(names: string[]): Promise<boolean> {
  const found = names.map((name) => stat(join(packages, name)).then(() => true, () => false));
  return (await Promise.all(found)).every(Boolean);
}

/** Earlier versions put each package in a directory of its own in .deno, where Deno finds ours no more. */
async function removeOtherLayout(): Promise<void> {
  const names: string[] = await readdir(join(packages, ".deno")).catch(() => []);
  if (names.includes("node_modules")) await rm(packages, { recursive: true, force: true });
}

/** Runs Deno. @returns its exit code */
async function run(args: string[]): Promise<number | null> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
}

if (import.meta.main) process.exit(await main());
