import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { AWAIT_LOCK, holdLock } from "../helpers/hold_lock.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { withClient } from "../../src/database/open_client.ts";
import { workOf } from "../../src/gateway/database/work_of.ts";
import { untilBlocked } from "../helpers/sessions.ts";

const database = withTestDatabase();
let acmeKey = "";
let betaKey = "";
let newcomersKey = "";

beforeAll(async () => {
  await database.query(`
    create function ops.test_wait() returns boolean
      language plpgsql stable as 'begin perform ${AWAIT_LOCK}; return true; end';
    grant execute on function ops.test_wait to curestry_member`);
  const scopes = ["prompts:read", "rubrics:read"];
  acmeKey = await makeKey(database, await makeOrganization(database), scopes);
  betaKey = await makeKey(database, await makeOrganization(database), scopes);
  newcomersKey = await makeKey(database, await makeOrganization(database), scopes);
});

async function ask(url: string, key: string, query: string): Promise<number> {
  return (await graphql(url, { query, key })).status;
}

const easy = "{ judgeRubrics(first: 1) { nodes { id } } }";

describe("with ten connections", () => {
  const gateway = withGateway(database, {
    poolSize: 10,
    poolWaitMs: 20_000,
    statementTimeoutMs: 20_000,
  });

  test("one organization that holds what it can leaves room for others, known or new, and for other work of its own", async () => {
    // It is known by now whose keys these are
    expect(await ask(gateway.url, acmeKey, easy)).toBe(200);
    expect(await ask(gateway.url, betaKey, easy)).toBe(200);
    const release = await holdLock(database);
    try {
      const flood = Array.from({ length: 90 }, () => ask(gateway.url, acmeKey, "{ testWait }"));
      await untilBlocked(database, 5);
      for (const key of [betaKey, newcomersKey, acmeKey]) {
        expect(await ask(gateway.url, key, easy)).toBe(200);
      }
      for (const path of ["livez", "readyz", "health"]) {
        expect((await fetch(`${gateway.url}/${path}`)).status, path).toBe(200);
      }
      expect(await (await fetch(`${gateway.url}/metrics`)).text())
        .toMatch(/^curestry_database_up 1$/m);
      await release();
      await Promise.all(flood);
    } finally {
      await release();
    }
  });

  test("a table that is locked stops what reads it, and nothing else", async () => {
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin; lock table core.prompts in access exclusive mode");
      const blocked = Array.from(
        { length: 40 },
        () => ask(gateway.url, acmeKey, "{ prompts(first: 1) { nodes { id } } }"),
      );
      await untilBlocked(database, 5);
      for (let n = 0; n < 5; n++) expect(await ask(gateway.url, acmeKey, easy)).toBe(200);
      expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
      expect(await (await fetch(`${gateway.url}/metrics`)).text())
        .toMatch(/^curestry_database_up 1$/m);
      await client.query("rollback");
      for (const status of await Promise.all(blocked)) expect([200, 503]).toContain(status);
    });
    expect(await ask(gateway.url, acmeKey, "{ prompts(first: 1) { nodes { id } } }")).toBe(200);
  });
});

test.each([
  ["{ b { x } a(first: 1) { nodes { y } } }", "a b"],
  [`query Q($v: [F!] = [{ c: "}" }]) { a(f: "{ z }") @include(if: true) { x } }`, "a include"],
  ["# { no }\nmutation { a }", "a"],
  ["", ""],
])("the work of %s is: %s", (document, work) => {
  expect(workOf(document)).toBe(work);
});
