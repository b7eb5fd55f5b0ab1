import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Balance, makeBudgets } from "../../src/gateway/budgets.ts";
import type { BesideQueries } from "../../src/gateway/database/beside_queries.ts";
import { withClient } from "../../src/database/open_client.ts";
import { makeLog } from "../../src/shared/log.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const limits = { key: 600, organization: 1_000, recording: 100 };
const log = makeLog("silent");

describe("budgets", () => {
  test("fill up evenly within a minute, and an organization's is that of all its keys", async () => {
    let ms = 0;
    const { charge } = makeBudgets(limits, null, log, { now: () => ms });
    const a = { key: "a", organization: "acme" };
    expect(await charge(a, 500, false))
      .toMatchObject({ limit: 600, remaining: 100, retrySeconds: null });
    expect(await charge(a, 200, false)).toMatchObject({ remaining: 100, retrySeconds: 10 });
    ms += 10_000;
    expect(await charge(a, 200, false)).toMatchObject({ remaining: 0, retrySeconds: null });
    const b = { key: "b", organization: "acme" };
    expect(await charge(b, 500, false))
      .toMatchObject({ limit: 1_000, retrySeconds: expect.any(Number) });
    expect((await charge({ key: "c", organization: "beta" }, 500, false)).retrySeconds).toBeNull();
    // What is more than there can ever be has to wait until all of it is there
    ms += 60_000;
    expect((await charge(a, 5_000, false)).retrySeconds).toBeNull();
  });

  test("recording has one of its own", async () => {
    const { charge } = makeBudgets(limits, null, log, { now: () => 0 });
    const a = { key: "a", organization: "acme" };
    expect((await charge(a, 600, false)).retrySeconds).toBeNull();
    expect((await charge(a, 100, true)).retrySeconds).toBeNull();
    expect((await charge(a, 1, true)).retrySeconds).not.toBeNull();
  });
});

test("what was refused is owed, at most a whole budget, and comes back like the rest", async () => {
  let ms = 0;
  const { charge, owe, debtSeconds } = makeBudgets(limits, null, log, { now: () => ms });
  const a = { key: "a", organization: "acme" };
  owe(a, 500);
  expect(debtSeconds(a)).toBe(0);
  expect((await charge(a, 200, false)).retrySeconds).not.toBeNull();
  owe(a, 200);
  expect(debtSeconds(a)).toBe(10);
  owe(a, 1_000_000);
  expect(debtSeconds(a)).toBe(60);
  expect(debtSeconds({ ...a, key: "b" })).toBe(0);
  ms += 60_000;
  expect(debtSeconds(a)).toBe(0);
});

describe("several gateways", () => {
  const database = withTestDatabase();
  const beside: BesideQueries = {
    async query<Row>(sql: string, values?: unknown[]) {
      return { rows: await query<Row & object>(database.gatewayUrl, sql, values) as Row[] };
    },
  };

  test("let pass what one would, within 10 %, whoever of them is asked", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          gateways: fc.integer({ min: 2, max: 3 }),
          cost: fc.integer({ min: 1, max: 40 }),
          atOnce: fc.integer({ min: 1, max: 12 }),
          seed: fc.integer({ min: 1, max: 1_000 }),
        }),
        async ({ gateways, cost, atOnce, seed }) => {
          const limit = 1_000;
          const began = performance.now();
          const all = Array.from(
            { length: gateways },
            () =>
              makeBudgets({ key: limit, organization: 1e9, recording: limit }, beside, log, {
                maxWaitMs: 60_000,
              }),
          );
          const payer = { key: crypto.randomUUID(), organization: crypto.randomUUID() };
          let passed = 0;
          let refused = 0;
          let turn = seed;
          async function ask(): Promise<void> {
            // One refusal is not the end: another gateway may hold a charge that it gives back
            while (refused < 10 * gateways) {
              turn = turn * 16_807 % 2_147_483_647;
              const balance: Balance = await all[turn % gateways]!.charge(payer, cost, false);
              if (balance.retrySeconds === null) passed += cost;
              else refused++;
              await new Promise((resolve) => setTimeout(resolve));
            }
          }
          await Promise.all(Array.from({ length: atOnce }, ask));
          await Promise.all(all.map((budgets) => budgets.stop()));
          const cameBack = (performance.now() - began) * limit / 60_000;
          expect(passed).toBeLessThanOrEqual(1.1 * (limit + cameBack));
          expect(passed).toBeGreaterThanOrEqual(0.9 * limit - cost);
        },
      ),
      { numRuns: 15 },
    );
  });

  test("without the database each counts for itself, and no charge fails", async () => {
    let isThere = false;
    const broken: BesideQueries = {
      query: (sql, values) => isThere ? beside.query(sql, values) : Promise.reject(new Error("no")),
    };
    const limit = { key: 1_000, organization: 1e9, recording: 1_000 };
    const [one, other] = [makeBudgets(limit, broken, log), makeBudgets(limit, broken, log)];
    const payer = { key: crypto.randomUUID(), organization: crypto.randomUUID() };
    expect((await one.charge(payer, 900, false)).retrySeconds).toBeNull();
    expect((await other.charge(payer, 900, false)).retrySeconds).toBeNull();
    // When it is back, they know of each other's
    isThere = true;
    await eventually(async () => {
      await one.charge(payer, 1, false);
      expect((await other.charge(payer, 1, false)).retrySeconds).not.toBeNull();
    });
    await one.stop();
    await other.stop();
  });

  test("what is full is forgotten", async () => {
    await beside.query(
      "select * from app.request_budget_exchange(gen_random_uuid(), '{old,new}', '{10,10}', '{1,1}')",
    );
    await database.query(
      "update app.request_budget set changed_at = now() - interval '3 minutes' where budget = 'old'",
    );
    await beside.query("select app.request_budget_forget()");
    expect(
      await database.query(
        "select budget, level from app.request_budget where budget in ('old', 'new')",
      ),
    )
      .toEqual([{ budget: "new", level: 9 }]);
  });
});

describe("over HTTP", () => {
  const database = withTestDatabase();
  const rateLimit = { key: 1_000, organization: 1_000_000, recording: 1_000 };
  const gateway = withGateway(database, { rateLimit });
  const another = withGateway(database, { rateLimit });
  const query = "{ prompts { nodes { id name } } }";
  let key = "";
  let other = "";
  beforeAll(async () => {
    key = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
    other = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
  });

  test("who has spent it gets 429 and when to come back, and others are not concerned", async () => {
    const first = await graphql(gateway.url, { query, key });
    expect(first.status).toBe(200);
    expect(first.headers.get("ratelimit-limit")).toBe("1000");
    expect(Number(first.headers.get("ratelimit-remaining"))).toBeLessThan(1_000);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => graphql(gateway.url, { query, key })),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers, errors } of refused) {
      expect(errors?.[0]?.extensions?.code).toBe("LIMIT");
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      expect(Number(headers.get("ratelimit-reset"))).toBeGreaterThan(0);
    }
    expect(answers.every(({ status }) => status === 200 || status === 429)).toBe(true);
    expect((await graphql(gateway.url, { query, key: other })).status).toBe(200);
  });

  test("who sends what is refused is not listened to for a while, and others are", async () => {
    const organization = await makeOrganization(database);
    const [bomber, colleague] = await Promise.all([
      makeKey(database, organization, ["prompts:read"]),
      makeKey(database, organization, ["prompts:read"]),
    ]);
    const bomb = `{ ${"a".repeat(2_000)} }`;
    expect((await graphql(gateway.url, { query: bomb, key: bomber })).status).toBe(400);
    await eventually(async () => {
      const { status } = await graphql(gateway.url, { query: bomb, key: bomber });
      expect(status).toBe(429);
    });
    const { status, headers, errors } = await graphql(gateway.url, { query, key: bomber });
    expect([status, errors?.[0]?.extensions?.code]).toEqual([429, "LIMIT"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await graphql(gateway.url, { query, key: colleague })).status).toBe(200);
  });

  test("a large body is looked at when the credential holds", async () => {
    const large = { query, variables: { x: "x".repeat(100_000) } };
    const answers = await Promise.all([
      graphql(gateway.url, { ...large, key: other }),
      graphql(gateway.url, large),
      graphql(gateway.url, { ...large, key: `cur_${"0".repeat(32)}_${"0".repeat(72)}` }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 413, 401]);
  });

  test("another gateway knows what was spent here", async () => {
    const fresh = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
    const spent = await Promise.all(
      Array.from({ length: 30 }, () => graphql(gateway.url, { query, key: fresh })),
    );
    expect(spent.map(({ status }) => status)).toContain(200);
    expect(spent.map(({ status }) => status)).toContain(429);
    // It hears of it with its own first charges
    let passed = 0;
    await eventually(async () => {
      const { status } = await graphql(another.url, { query, key: fresh });
      if (status === 200) passed++;
      expect(status).toBe(429);
    });
    expect(passed).toBeLessThan(5);
  });

  test("requests do not wait for what gateways tell each other", async () => {
    const fresh = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query("lock table app.request_budget");
      for (let n = 0; n < 3; n++) {
        expect((await graphql(gateway.url, { query, key: fresh })).status).toBe(200);
      }
      await client.query("rollback");
    });
  });
});
