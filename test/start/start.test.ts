import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { isAlive, list, makeDataDir, removeDataDir, serverPid } from "./data_dir.ts";
import { type RunningProcess, runProcess, stopProcesses } from "./run_process.ts";

const START = "src/bin/start.ts";

/** `start`, and what it is reached at once it says so. */
async function start(
  env: Record<string, string>,
  ...args: string[]
): Promise<RunningProcess & { url: string }> {
  const process = runProcess([START, ...args], {
    PORT: "0",
    CURESTRY_DATABASE_PORT: "0",
    CURESTRY_LOG_LEVEL: "warn",
    ...env,
  });
  const [, url = ""] = await process.prints(/^Curestry is ready on (http:\/\/127\.0\.0\.1:\d+)$/m);
  return { ...process, url };
}

/** The query that the issue names for newcomers. */
const CHECK = `{ analysisRuns(first: 5, orderBy: CREATED_AT_DESC) {
  totalCount nodes { id status prompt { name } judgeScores { nodes { score criterion { key } } } } } }`;

interface Check {
  analysisRuns: {
    totalCount: number;
    nodes: {
      id: string;
      status: string;
      prompt: { name: string } | null;
      judgeScores: { nodes: { score: string; criterion: { key: string } }[] };
    }[];
  };
}

afterEach(stopProcesses);

describe("start with the embedded database", () => {
  let dataDir = "";
  let env: Record<string, string> = {};
  beforeAll(async () => {
    dataDir = await makeDataDir();
    env = { CURESTRY_DATA_DIR: dataDir };
  });
  afterAll(() => removeDataDir(dataDir));

  let key = "";

  test("--demo fills an organization, whose key and analyst are printed and work", async () => {
    const { url, prints, stop } = await start(env, "--demo");
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);

    [, key = ""] = await prints(/An API key +(cur_\w+)$/m);
    const { analysisRuns } = await graphqlData<Check>(url, { key, query: CHECK });
    expect(analysisRuns.totalCount).toBeGreaterThan(500);
    expect(analysisRuns.nodes).toHaveLength(5);
    for (const run of analysisRuns.nodes) {
      expect(run.prompt?.name).toEqual(expect.any(String));
      if (run.status !== "succeeded") continue;
      expect(run.judgeScores.nodes.length).toBeGreaterThan(0);
      expect(Number(run.judgeScores.nodes[0]?.score)).toBeGreaterThan(0);
    }
    const nobody = await graphqlData<Check>(url, { query: CHECK }).catch((error) => error);
    expect(nobody).toSatisfy((answer: Check | Error) =>
      answer instanceof Error || answer.analysisRuns.totalCount === 0
    );

    const [, analystUrl = ""] = await prints(/An analyst +(postgres:\S+)$/m);
    const days = await query<{ runs: string; days: number; organizations: number }>(
      analystUrl,
      `select count(*)::int as days, count(distinct organization_id)::int as organizations
         from mart.analysis_daily`,
    );
    expect(days).toEqual([{ days: expect.any(Number), organizations: 1 }]);
    expect(days[0]?.days).toBeGreaterThan(80);
    expect(await query(analystUrl, "select count(*)::int as n from core.prompts"))
      .toEqual([{ n: 25 }]);
    for (
      const change of [
        "update mart.analysis_daily set day = day",
        "update core.prompts set name = 'x'",
        "delete from core.prompts",
      ]
    ) {
      await expect(query(analystUrl, change)).rejects.toThrow("read-only transaction");
      // Which is a courtesy: what holds is that nothing was granted
      await expect(query(analystUrl, `begin; set transaction read write; ${change}`))
        .rejects.toThrow("permission denied");
    }

    const pid = await serverPid(dataDir);
    expect(isAlive(pid ?? 0)).toBe(true);
    const ended = await stop("SIGTERM");
    expect(ended).toMatchObject({ code: 0, signal: null });
    // Nothing went wrong that would have been logged as a warning
    expect(ended.stderr).toBe("");
    expect(isAlive(pid ?? 0)).toBe(false);
    expect(await serverPid(dataDir)).toBeNull();
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  test("keeps its secrets to itself", async () => {
    const names = await list(dataDir);
    expect(names).toEqual(
      expect.arrayContaining(["demo.json", "jwt-keys.json", "postgres.log", "superuser-url"]),
    );
    for (const name of names) {
      expect((await stat(join(dataDir, name))).mode & 0o077, name).toBe(0);
    }
    const log = await readFile(join(dataDir, "postgres.log"), "utf8");
    expect(log).not.toMatch(/cur_[0-9a-f]|SCRAM|password '/);
  });

  test("a PostgreSQL that is killed is started again, and gateway and worker go on", async () => {
    const { url, pid, stop } = await start(env);
    const ask = () =>
      graphqlData(url, { key, query: "{ prompts(first: 1) { totalCount } }" }).catch(() => null);
    for (let time = 0; time < 2; time++) {
      await eventually(async () => expect(await ask()).not.toBeNull());
      const server = await serverPid(dataDir) ?? 0;
      process.kill(server, "SIGKILL");
      await eventually(async () => expect([server, null]).not.toContain(await serverPid(dataDir)));
    }
    await eventually(async () => expect(await ask()).not.toBeNull());
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(isAlive(pid)).toBe(true);
    expect(await stop("SIGTERM")).toMatchObject({ code: 0, signal: null });
    expect(await serverPid(dataDir)).toBeNull();
  });

  test("--demo again finds it, prints the same key, and adds nothing; kill -9 loses nothing", async () => {
    const demo = await start(env, "--demo");
    expect((await demo.prints(/An API key +(cur_\w+)$/m))[1]).toBe(key);
    const { analysisRuns: { totalCount } } = await graphqlData<Check>(demo.url, {
      key,
      query: CHECK,
    });
    await graphqlData(demo.url, {
      key,
      query: `mutation { createPrompt(input: { prompt: { name: "Kept", content: "a" } }) {
        prompt { id } } }`,
    });
    const orphan = await serverPid(dataDir) ?? 0;
    expect((await demo.stop("SIGKILL")).signal).toBe("SIGKILL");
    expect(isAlive(orphan)).toBe(true);

    const next = await start(env);
    // A dead process is there until its new parent has taken note of it
    await eventually(() => expect(isAlive(orphan)).toBe(false));
    await next.prints(/Stopped a PostgreSQL that a start which was killed had left running/);
    const found = await graphqlData<Check & { prompts: { totalCount: number } }>(next.url, {
      key,
      query: `{ prompts(filter: { name: { equalTo: "Kept" } }) { totalCount }
        analysisRuns { totalCount } }`,
    });
    expect(found).toEqual({ prompts: { totalCount: 1 }, analysisRuns: { totalCount } });

    // Commands use the running one, and another start is told who has it
    const url = (await readFile(join(dataDir, "superuser-url"), "utf8")).trim();
    expect(await query(url, "select current_user")).toEqual([{ current_user: "postgres" }]);
    const second = await runProcess([START], { ...env, PORT: "0", CURESTRY_DATABASE_PORT: "0" })
      .ended;
    expect(second.code).toBe(1);
    expect(second.stderr.trim()).toBe(
      `The data directory ${dataDir} is in use by another start (process ${next.pid}): ` +
        "stop that one first, or name another directory in CURESTRY_DATA_DIR",
    );
    expect((await next.stop("SIGINT")).code).toBe(0);
  });

  test("ends when the database ends, and says where to look", async () => {
    const { ended } = await start(env);
    process.kill(await serverPid(dataDir) ?? 0, "SIGQUIT");
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toContain("The embedded PostgreSQL has ended by itself");
    expect(stderr).toContain(`${dataDir}/postgres.log may say why`);
  });

  test("that is stopped before it is up leaves no server behind", async () => {
    for (const milliseconds of [150, 400]) {
      const early = runProcess([START], { ...env, PORT: "0", CURESTRY_DATABASE_PORT: "0" });
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      // So early that nobody listens yet, the signal itself ends the process
      const { code, signal } = await early.stop("SIGTERM");
      expect([code, signal]).toBeOneOf([[0, null], [null, "SIGTERM"]]);
      expect(await serverPid(dataDir)).toBeNull();
    }
  });
});

describe("start with a database of DATABASE_URL", () => {
  const database = withTestDatabase();

  test("runs gateway and worker on it, and leaves it running", async () => {
    const { url, stop, prints } = await start({ ...database.env });
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const [, shown = ""] = await prints(/The database +(\S+)/);
    expect(shown).not.toContain(new URL(database.adminUrl).password);
    const sessions = () =>
      database.query(
        `select usename from pg_stat_activity
          where datname = current_database() and usename in ('curestry_gateway', 'curestry_worker')
          group by usename order by usename`,
      );
    expect(await sessions()).toEqual([
      { usename: "curestry_gateway" },
      { usename: "curestry_worker" },
    ]);
    expect(await stop()).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect(await sessions()).toEqual([]);
  });
});

describe("start says what is wrong, starts nothing, and exits 1", () => {
  let dataDir = "";
  beforeAll(async () => {
    dataDir = await makeDataDir();
  });
  afterAll(() => removeDataDir(dataDir));

  async function refusal(env: Record<string, string>): Promise<string> {
    const { code, stdout, stderr } = await runProcess([START], {
      CURESTRY_DATA_DIR: dataDir,
      CURESTRY_DATABASE_PORT: "0",
      ...env,
    }).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    await expect(list(dataDir)).rejects.toThrow("ENOENT");
    return stderr.trim();
  }

  test("when settings are wrong, all of them at once", async () => {
    expect(await refusal({ PORT: "x", CURESTRY_LOG_LEVEL: "loud" })).toBe(
      `2 settings are wrong:
  PORT: "x" is not a port; use a whole number from 1 to 65535, or 0 for any free one
  CURESTRY_LOG_LEVEL: "loud" is not a level; use one of trace, debug, info, warn, error, fatal, silent`,
    );
  });

  test("when the gateway's port is in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    expect(await refusal({ PORT: String(port) })).toBe(
      `Port ${port} of 127.0.0.1, for the gateway, is in use by another program, perhaps another ` +
        "start: stop that program, or set PORT to a free port",
    );
    await new Promise((resolve) => other.close(resolve));
  });

  test("when it cannot listen where it should", async () => {
    expect(await refusal({ PORT: "0", HOST: "192.0.2.1" })).toMatch(
      /^The gateway cannot listen on 192\.0\.2\.1:0|set HOST and PORT to an address of this machine/,
    );
  });
});

test("start refuses an option that it does not know with exit code 2, and --help explains", async () => {
  const wrong = await runProcess([START, "--dmeo"], {}).ended;
  expect(wrong).toMatchObject({ code: 2, stdout: "" });
  expect(wrong.stderr).toContain("--dmeo");
  expect(wrong.stderr).toContain("Usage: deno task start [--demo]");
  const help = await runProcess([START, "--help"], {}).ended;
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toContain("Usage: deno task start [--demo]");
});
