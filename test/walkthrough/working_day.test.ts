import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makePerson } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const program = "docs/examples/working_day.ts";

test("a program of at most 150 lines does a whole working day over the API", async () => {
  const text = await readFile(join(repositoryRoot, program), "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(150);
  const owner = await makePerson(database, "owner@day.example");
  const colleague = await makePerson(database, "colleague@day.example");
  const worker = await startWorker({ databaseUrl: database.workerUrl, log: makeLog("silent") });
  try {
    const child = spawn(
      process.execPath,
      ["run", "--no-prompt", "--allow-net", "--allow-env", program],
      {
        cwd: repositoryRoot,
        env: {
          ...process.env,
          CURESTRY_URL: gateway.url,
          OWNER_TOKEN: owner.token,
          COLLEAGUE_TOKEN: colleague.token,
        },
      },
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => output += String(data));
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    // deno-lint-ignore no-control-regex
    const lines = output.replace(/\x1b\[[0-9;]*m/g, "").trim().split("\n");
    expect(code, output).toBe(0);
    expect(lines.slice(-5)).toEqual([
      "Signed in as owner@day.example",
      "Recorded 1000 analyses and saw 1000 live",
      expect.stringMatching(/^1000 latencies in [12] days$/),
      "colleague@day.example is admin",
      "Exported 1000 analyses",
    ]);
  } finally {
    await worker.stop();
  }
});
