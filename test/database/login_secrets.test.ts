import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type DerivedLogin, derivePassword } from "../../src/database/login_passwords.ts";
import { makeLoginSecret, readLoginSecrets } from "../../src/database/login_secrets.ts";
import { openClient } from "../../src/database/open_client.ts";
import { databaseUrl, loginUrl } from "../../src/database/urls.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { graphql } from "../helpers/graphql.ts";
import { startTestCluster } from "../helpers/start_test_cluster.ts";
import { type RunningProcess, runProcess, stopProcesses } from "../start/run_process.ts";

/** A server of their own: logins belong to the whole server. */
let server = { url: "", stop: () => Promise.resolve() };
/** With the data directories. */
let folder = "";
let key = "";
let administratorsPassword = "first";

beforeAll(async () => {
  server = await startTestCluster();
  folder = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  await query(server.url, "create role dba login createdb createrole password 'first'");
  await migrate(env("a"));
  await cliJson(
    ["organization", "create", "--slug", "o", "--name", "O", "--owner", "o@x.example"],
    {
      env: env("a"),
    },
  );
  const made = await cliJson<{ key: string }>(
    ["api-key", "create", "--organization", "o", "--name", "k", "--scope", "prompts:read"],
    { env: env("a") },
  );
  key = made.key;
});
afterEach(stopProcesses);
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function adminUrl(): string {
  return loginUrl(databaseUrl(server.url, "curestry"), "dba", administratorsPassword);
}

/** Of an installation with the data directory of that name, which has time on a busy machine. */
function env(name: string): Record<string, string> {
  return {
    DATABASE_URL: adminUrl(),
    CURESTRY_DATA_DIR: join(folder, name),
    PORT: "0",
    CURESTRY_POOL_WAIT: "1min",
    CURESTRY_STATEMENT_TIMEOUT: "1min",
  };
}

async function migrate(env: Record<string, string>): Promise<void> {
  expect(await runProcess(["src/bin/migrate.ts"], env).ended).toMatchObject({ code: 0 });
}

async function startGateway(env: Record<string, string>) {
  const gateway = runProcess(["src/bin/gateway.ts"], env);
  const [, url = ""] = await gateway.prints(/ready on (http:\S+)/);
  return { ...gateway, url };
}

async function startWorker(env: Record<string, string>): Promise<RunningProcess> {
  const worker = runProcess(["src/bin/worker.ts"], env);
  await worker.prints(/The worker is ready/);
  return worker;
}

const easy = "{ prompts { totalCount } }";
/** Another thread, with connections of its own, answers what has many pages. */
const costly = `{ ${
  Array.from({ length: 25 }, (_, n) => `p${n}: prompts(first: 1, offset: ${n}) { totalCount }`)
    .join(" ")
} }`;

async function ask(url: string, query = easy): Promise<string> {
  const { status, errors } = await graphql(url, { key, query });
  const codes = new Set(errors?.map(({ extensions }) => extensions?.code));
  return [status, ...codes].join(" ");
}

/** Asks without a pause, four at a time, until it is stopped. */
function keepAsking(url: string) {
  const answers: string[] = [];
  let isStopped = false;
  const loops = Array.from({ length: 4 }, async (_, n) => {
    while (!isStopped) answers.push(await ask(url, n === 0 ? costly : easy));
  });
  return {
    /** Waits until so many more answers have come. */
    async some(number = 20): Promise<void> {
      const until = answers.length + number;
      await eventually(() => expect(answers.length).toBeGreaterThanOrEqual(until));
    },
    async stop(): Promise<string[]> {
      isStopped = true;
      await Promise.all(loops);
      return answers;
    },
  };
}

const allRight = ["200"];
const rightOrHonest = /^(200|503 UNAVAILABLE)$/;

/**
 * Ends all sessions of our logins, so that everybody has to connect anew.
 *
 * @returns when, by the server's clock
 */
async function endSessions(): Promise<Date> {
  const [ended] = await query<{ sessions: number; at: Date }>(
    server.url,
    `select count(pg_terminate_backend(pid))::int as sessions, clock_timestamp() as at
       from pg_stat_activity where usename in ('curestry_gateway', 'curestry_worker')`,
  );
  expect(ended?.sessions).toBeGreaterThan(0);
  return ended!.at;
}

/** A worker has made its connections, that of the heartbeat too, after that time. */
async function untilWorkerIsBack(ended: Date): Promise<void> {
  await eventually(async () => {
    const rows = await query<{ application_name: string }>(
      server.url,
      `select distinct application_name from pg_stat_activity
        where usename = 'curestry_worker' and backend_start > $1 order by application_name`,
      [ended],
    );
    // The heartbeat's has the name of the worker
    expect(rows.map((row) => row.application_name))
      .toEqual(["curestry worker", expect.stringMatching(/^curestry worker pool-/)]);
  });
}

/** All requests are answered as they should be, from some moment on. */
async function untilRight(url: string): Promise<void> {
  await eventually(async () => {
    for (let time = 0; time < 10; time++) expect(await ask(url)).toBe("200");
  });
}

/** Whether the server takes this password of the login. */
async function isTaken(login: string, password: string): Promise<boolean> {
  const url = loginUrl(databaseUrl(server.url, "curestry"), login, password);
  return await openClient(url, { retryForMs: 0 }).then(
    async (client) => (await client.end(), true),
    (error) => {
      expect(error.code).toBe("28P01");
      return false;
    },
  );
}

async function secretsOf(name: string): Promise<Uint8Array[]> {
  return await readLoginSecrets(readSettings(env(name)));
}

test("the server takes the right password, and no other", async () => {
  const [secret] = await secretsOf("a");
  if (secret === undefined) throw new Error("There is no secret");
  for (const login of ["curestry_gateway", "curestry_worker"] as const) {
    expect(await isTaken(login, derivePassword(secret, login))).toBe(true);
    expect(await isTaken(login, derivePassword(makeLoginSecret(), login))).toBe(false);
    expect(await isTaken(login, administratorsPassword)).toBe(false);
  }
});

test("a new password of the administrator's touches neither gateway nor start", async () => {
  const gateway = await startGateway(env("a"));
  const start = runProcess(["src/bin/start.ts"], env("a"));
  const [, startUrl = ""] = await start.prints(/Curestry is ready on (\S+)/);
  const urls = [gateway.url, startUrl];
  const asking = urls.map(keepAsking);
  await Promise.all(asking.map((one) => one.some()));
  const before = adminUrl();
  administratorsPassword = "second";
  await query(server.url, "alter role dba password 'second'");
  await expect(query(before, "select")).rejects.toThrow("password authentication failed");
  await migrate(env("a"));
  await Promise.all(asking.map((one) => one.some()));
  for (const one of asking) expect([...new Set(await one.stop())]).toEqual(allRight);
  // Those that they make from now on are good as well
  const ended = await endSessions();
  for (const url of urls) await untilRight(url);
  await untilWorkerIsBack(ended);
});

describe("login-secret rotate", () => {
  test("gives new passwords to a gateway and a worker that run, and no request fails", async () => {
    const gateway = await startGateway(env("a"));
    const worker = await startWorker(env("a"));
    const asking = keepAsking(gateway.url);
    await asking.some();
    for (let time = 0; time < 2; time++) {
      const [old] = await secretsOf("a");
      expect(await cliJson(["login-secret", "rotate"], { env: env("a") }))
        .toEqual({ rotated: ["curestry_gateway", "curestry_worker"] });
      const secrets = await secretsOf("a");
      expect(secrets).toHaveLength(2);
      expect(secrets[1]).toEqual(old);
      for (const login of ["curestry_gateway", "curestry_worker"] as const) {
        const taken = secrets.map((secret) => isTaken(login, derivePassword(secret, login)));
        expect(await Promise.all(taken)).toEqual([true, false]);
      }
      await asking.some();
    }
    expect([...new Set(await asking.stop())]).toEqual(allRight);

    const under = keepAsking(gateway.url);
    await under.some();
    const ended = await endSessions();
    await under.some();
    for (const answer of await under.stop()) expect(answer).toMatch(rightOrHonest);
    await untilRight(gateway.url);
    await untilWorkerIsBack(ended);
    for (const process of [gateway, worker]) {
      const { code, stderr } = await process.stop();
      expect(code).toBe(0);
      expect(stderr).not.toContain("was set again");
    }
  });

  test("of a few at once leaves a password that follows from the file", async () => {
    const results = await Promise.all(
      Array.from({ length: 3 }, () => cli(["login-secret", "rotate"], { env: env("a") })),
    );
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    const [secret] = await secretsOf("a");
    for (const login of ["curestry_gateway", "curestry_worker"] as const) {
      expect(await isTaken(login, derivePassword(secret!, login))).toBe(true);
    }
  });

  test("leaves the file as it is where the passwords are not to be changed", async () => {
    const text = () => readFile(join(folder, "a", "secret"), "utf8");
    const before = await text();
    await query(server.url, "create role plain login password 'p'");
    await query(server.url, "grant curestry_owner, curestry_definer to plain");
    const DATABASE_URL = loginUrl(adminUrl(), "plain", "p");
    const { code, stderr } = await cli(["login-secret", "rotate"], {
      env: { ...env("a"), DATABASE_URL },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("The login of DATABASE_URL may not change the passwords");
    const CURESTRY_GATEWAY_URL = adminUrl();
    const own = await cli(["login-secret", "rotate"], {
      env: { ...env("a"), CURESTRY_GATEWAY_URL, CURESTRY_WORKER_URL: CURESTRY_GATEWAY_URL },
    });
    expect(own.code).toBe(1);
    expect(own.stderr).toContain("nothing follows from a secret");
    expect(await text()).toBe(before);
    expect(
      await cliJson(["login-secret", "rotate"], { env: { ...env("a"), CURESTRY_GATEWAY_URL } }),
    )
      .toEqual({ rotated: ["curestry_worker"] });
    expect(await text()).not.toBe(before);
    await migrate(env("a"));
  });
});

test("CURESTRY_LOGIN_SECRETS rotates in three steps, during which no request fails", async () => {
  const [old, made] = [makeLoginSecret(), makeLoginSecret()];
  const withSecrets = (...secrets: Uint8Array[]) => ({
    ...env("a"),
    CURESTRY_LOGIN_SECRETS: secrets.map((bytes) => Buffer.from(bytes).toString("base64")).join(),
  });
  await migrate(withSecrets(old));
  const explained = await cli(["login-secret", "rotate"], { env: withSecrets(old) });
  expect(explained.code).toBe(1);
  expect(explained.stdout).toMatch(
    /Nothing was changed[^]*1\. put [^]*2\. run `deno task migrate`[^]*3\. remove/,
  );
  expect(await isTaken("curestry_gateway", derivePassword(old, "curestry_gateway"))).toBe(true);

  const both = withSecrets(made, old);
  const gateway = await startGateway(both);
  const worker = await startWorker(both);
  const asking = keepAsking(gateway.url);
  await asking.some();
  await migrate(both);
  expect(await isTaken("curestry_gateway", derivePassword(old, "curestry_gateway"))).toBe(false);
  await asking.some();
  expect([...new Set(await asking.stop())]).toEqual(allRight);
  const ended = await endSessions();
  await untilRight(gateway.url);
  await untilWorkerIsBack(ended);
  for (const process of [gateway, worker]) {
    expect((await process.stop()).stderr).not.toContain("was set again");
  }
  await untilRight((await startGateway(withSecrets(made))).url);
  await migrate(env("a"));
});

test("two data directories on one server go on, and say what to do about it", async () => {
  const first = await startGateway(env("a"));
  await untilRight(first.url);
  await migrate(env("b"));
  expect(await secretsOf("b")).not.toEqual(await secretsOf("a"));
  const second = await startGateway(env("b"));
  for (let time = 0; time < 3; time++) {
    await endSessions();
    await Promise.all([untilRight(first.url), untilRight(second.url)]);
  }
  await first.prints(
    /curestry_gateway that follows from our secrets, so it was set again: another installation [^"]* CURESTRY_LOGIN_SECRETS"/,
  );
  await migrate(env("a"));
});

test("a DBA's new password is in the second connection string, before it is set", async () => {
  const url = (login: DerivedLogin, password: string) =>
    loginUrl(databaseUrl(server.url, "curestry"), login, password);
  const set = (login: DerivedLogin, password: string) =>
    query(server.url, `alter role ${login} password '${password}'`);
  for (const login of ["curestry_gateway", "curestry_worker"] as const) await set(login, "one");
  const [gatewayUrls, workerUrls] = (["curestry_gateway", "curestry_worker"] as const)
    .map((login) => `${url(login, "one")} ${url(login, "two")}`);
  const own = {
    ...env("a"),
    CURESTRY_GATEWAY_URL: gatewayUrls ?? "",
    CURESTRY_WORKER_URL: workerUrls ?? "",
  };
  const gateway = await startGateway(own);
  await startWorker(own);
  const asking = keepAsking(gateway.url);
  await asking.some();
  for (const login of ["curestry_gateway", "curestry_worker"] as const) await set(login, "two");
  await asking.some();
  expect([...new Set(await asking.stop())]).toEqual(allRight);
  const ended = await endSessions();
  await untilRight(gateway.url);
  await untilWorkerIsBack(ended);

  // With the first alone nothing is good, and nobody changes what a DBA has set
  const refused = await runProcess(["src/bin/gateway.ts"], {
    ...env("a"),
    CURESTRY_GATEWAY_URL: url("curestry_gateway", "one"),
  }).ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    "The database refuses the gateway's login: password authentication",
  );
  expect(await isTaken("curestry_gateway", "two")).toBe(true);
  await migrate(env("a"));
});

test("a gateway without a secret, which it may not write, says what to do", async () => {
  const empty = { ...env("c"), CURESTRY_LOG_LEVEL: "warn" };
  const gateway = () => runProcess(["src/bin/gateway.ts"], empty);
  const { code, stderr } = await gateway().ended;
  expect(code).toBe(1);
  expect(stderr).toContain("no login secret in");
  expect(stderr).toContain("run `deno task migrate`");
  await migrate(empty);
  await gateway().prints(/ready on/);
});
