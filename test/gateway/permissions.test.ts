import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeAll, expect, test } from "vitest";
import { runProgram } from "../../src/database/embedded/run_program.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings, repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";

const database = withTestDatabase();
let folder = "";
/** As `migrate` does. */
beforeAll(() => readJwtKeys(readSettings(database.env)));
afterEach(stopProcesses);
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What `deno task gateway` gives to Deno, before the name of its module. */
function gatewayFlags(): string[] {
  const { tasks } = JSON.parse(readFileSync(join(repositoryRoot, "deno.json"), "utf8"));
  const [deno, ...words] = String(tasks.gateway).split(" ");
  expect([deno, words.at(-1)]).toEqual(["deno", "src/bin/gateway.ts"]);
  return words.slice(0, -1);
}

test("what deno task gateway permits is enough to answer requests", async () => {
  const gateway = runProcess(
    ["src/bin/gateway.ts"],
    { ...database.env, PORT: "0", CURESTRY_LOG_LEVEL: "warn" },
    [process.execPath, ...gatewayFlags()],
  );
  const [, url] = await gateway.prints(/ready on (http:\S+)/);
  for (const path of ["readyz", "health", "metrics", "ruru"]) {
    expect((await fetch(`${url}/${path}`)).status, path).toBe(200);
  }
});

test("with it a process writes no file and starts no program", async () => {
  folder = await mkdtemp(join(tmpdir(), "curestry-permissions-"));
  const program = join(folder, "try.ts");
  await writeFile(
    program,
    `import { writeFileSync } from "node:fs";
for (const attempt of [
  () => writeFileSync(${JSON.stringify(join(folder, "written"))}, "x"),
  () => new Deno.Command("/bin/true").outputSync(),
  () => Deno.dlopen("libc.so.6", {}),
]) {
  try {
    attempt();
    console.log("done");
  } catch (error) {
    console.log((error as Error).name);
  }
}`,
  );
  const flags = gatewayFlags();
  const { output } = await runProgram(process.execPath, [...flags, "--quiet", program]);
  expect(output.trim().split("\n")).toEqual(["NotCapable", "NotCapable", "NotCapable"]);
});
