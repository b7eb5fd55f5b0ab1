import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../../src/database/embedded/ports.ts";
import { runProgram } from "../../src/database/embedded/run_program.ts";
import { readTasks, taskFlags } from "../../src/develop/task_flags.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings, repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeOrganization } from "../helpers/make.ts";
import { makeDataDir, removeDataDir } from "./data_dir.ts";
import { runProcess, stopProcesses } from "./run_process.ts";

const database = withTestDatabase();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "curestry-permissions-"));
  // As `migrate` does
  await readJwtKeys(readSettings(database.env));
});
afterEach(stopProcesses);
afterAll(() => rm(folder, { recursive: true, force: true }));

// Of the tests: `mutate` has vitest, with a native library; `drill`, and what starts a browser, look into /proc
const testing = ["drill", "mutate", "screenshots"];
const ourTasks = [...readTasks()].filter(([task, command]) =>
  command.startsWith("deno run ") && !testing.includes(task)
).map(([task]) => task);

test("no task has all permissions, and none asks for more", () => {
  expect(ourTasks).toEqual(
    expect.arrayContaining(["start", "gateway", "worker", "migrate", "curestry", "dev", "bench"]),
  );
  for (const task of ourTasks) {
    const flags = taskFlags(task);
    expect(flags, task).toContain("--no-prompt");
    expect(flags.join(" "), task).not.toMatch(/ -A|--allow-(all|ffi|import)/);
  }
});

/** What a program may try. */
const attempts = {
  write: `Deno.writeTextFileSync(${JSON.stringify("FILE")}, "x")`,
  program: `new Deno.Command("true").outputSync()`,
  shell: `new Deno.Command("sh", { args: ["-c", ":"] }).outputSync()`,
  kill: `process.kill(process.ppid, 0)`,
  net: `Deno.listen({ hostname: "127.0.0.1", port: 0 }).close()`,
  environment: `Deno.readTextFileSync("/proc/self/environ")`,
  library: `Deno.dlopen("libc.so.6", {}).close()`,
};
type Attempt = keyof typeof attempts;

/** Which attempts succeed with these flags; the others fail because they are not permitted. */
async function succeeding(flags: string[], before = ""): Promise<Attempt[]> {
  const program = join(folder, `${randomUUID()}.ts`);
  const lines = Object.entries(attempts).map(([name, code]) =>
    `attempt("${name}", () => ${code.replace("FILE", `${program}.written`)});`
  );
  await writeFile(
    program,
    `import process from "node:process";
${before}
function attempt(name: string, act: () => void) {
  try {
    act();
    console.log(name, "done");
  } catch (error) {
    console.log(name, (error as Error).name);
  }
}
${lines.join("\n")}`,
  );
  const { output } = await runProgram(process.execPath, [...flags, "--quiet", program]);
  const results = output.trim().split("\n").map((line) => line.split(" "));
  expect(results.map(([name]) => name)).toEqual(Object.keys(attempts));
  for (const [, result] of results) expect(result).toMatch(/^(done|NotCapable)$/);
  return results.filter(([, result]) => result === "done").map(([name]) => name as Attempt);
}

/** What each task may do of it. */
const permitted: Record<string, Attempt[]> = {
  gateway: ["net"],
  worker: ["write", "shell", "net"],
  "ok:sql": [],
  // Deno, to install packages; it may itself write in node_modules alone
  install: ["program", "shell", "kill"],
  "install:all": ["program", "shell", "kill"],
};
const startsPrograms: Attempt[] = ["write", "program", "shell", "kill", "net"];

describe.skipIf(process.platform !== "linux")(
  "a process may not do what its task does not need",
  () => {
    test("which it could do with all permissions", async () => {
      expect(await succeeding(["run", "-A"])).toEqual(Object.keys(attempts));
    });

    test.each(ourTasks)("%s", async (task) => {
      expect(await succeeding(taskFlags(task))).toEqual(permitted[task] ?? startsPrograms);
    });

    const settings = (own: object) =>
      `import { giveUpPrograms } from "${
        pathToFileURL(join(repositoryRoot, "src/shared/give_up_programs.ts"))
      }";
await giveUpPrograms(${
        JSON.stringify({ databaseUrl: null, checkpointCommand: null, ...own })
      } as any);`;

    test("nor start programs, with a PostgreSQL of one's own and no checkpoint command", async () => {
      const own = settings({ databaseUrl: "postgres://db" });
      for (const task of ["start", "worker", "migrate", "curestry"]) {
        expect(await succeeding(taskFlags(task), own), task).toEqual(["write", "net"]);
      }
      const command = settings({ databaseUrl: "postgres://db", checkpointCommand: "cat" });
      expect(await succeeding(taskFlags("worker"), command)).toEqual(permitted.worker);
      expect(await succeeding(taskFlags("start"), settings({}))).toEqual(startsPrograms);
    });
  },
);

describe("what a task permits is enough", () => {
  test("for the gateway to answer requests", async () => {
    const gateway = runProcess(["src/bin/gateway.ts"], { ...database.env, PORT: "0" });
    const [, url] = await gateway.prints(/ready on (http:\S+)/);
    for (const path of ["readyz", "health", "metrics", "ruru"]) {
      expect((await fetch(`${url}/${path}`)).status, path).toBe(200);
    }
  });

  test("for the worker to give checkpoints to a command", async () => {
    const carried = join(folder, "carried");
    const worker = runProcess(["src/bin/worker.ts"], {
      ...database.env,
      CURESTRY_CHECKPOINT_COMMAND: `cat >> ${carried}`,
      // With these Deno would not start what it may
      LD_LIBRARY_PATH: folder,
    });
    await worker.prints(/The worker is ready/);
    await makeOrganization(database);
    await eventually(async () => expect(await readFile(carried, "utf8")).toMatch(/^ey.*\n$/m));
    expect((await worker.stop()).stderr).not.toContain("NotCapable");
  });

  test("for dev to run all parts", async () => {
    const dataDir = await makeDataDir();
    try {
      const port = await freePort("127.0.0.1");
      const dev = runProcess(["src/bin/dev.ts"], {
        CURESTRY_DATA_DIR: dataDir,
        CURESTRY_DATABASE_PORT: "0",
        PORT: String(port),
      });
      await dev.prints(/The worker is ready/);
      // graphile-migrate has applied migrations/current.sql; then the gateway is started anew
      await dev.prints(/Finished \(/);
      await eventually(async () =>
        expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
      );
      const { code, stdout, stderr } = await dev.stop();
      expect(code).toBe(0);
      expect(stdout + stderr).not.toMatch(/NotCapable|Requires \w+ access/);
    } finally {
      await removeDataDir(dataDir);
    }
  });
});

test.skipIf(process.platform !== "linux")(
  "what npx started ends with npx, in good order",
  async () => {
    // The name is what is looked for
    const npx = join(folder, "npx-cli.js");
    await writeFile(npx, 'sh -c \'"$@"; exit $?\' sh "$@"\nexit $?\n');
    const worker = runProcess(
      ["src/bin/worker.ts"],
      { ...database.env, npm_command: "exec" },
      ["sh", npx, process.execPath, ...taskFlags("worker"), "--quiet"],
    );
    await worker.prints(/The worker is ready/);
    const { stderr } = await worker.stop("SIGKILL");
    expect(stderr).toMatch(/"reason":"the end of npx".*"The worker stops"/);
  },
);
