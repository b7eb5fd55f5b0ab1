import { beforeAll, describe, expect, test } from "vitest";
import { makeBudgets } from "../../src/gateway/budgets.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const limits = { key: 600, organization: 1_000, recording: 100 };

describe("budgets", () => {
  test("fill up evenly within a minute, and an organization's is that of all its keys", () => {
    let ms = 0;
    const { charge } = makeBudgets(limits, () => ms);
    const a = { key: "a", organization: "acme" };
    expect(charge(a, 500, false)).toMatchObject({ limit: 600, remaining: 100, retrySeconds: null });
    expect(charge(a, 200, false)).toMatchObject({ remaining: 100, retrySeconds: 10 });
    ms += 10_000;
    expect(charge(a, 200, false)).toMatchObject({ remaining: 0, retrySeconds: null });
    const b = { key: "b", organization: "acme" };
    expect(charge(b, 500, false)).toMatchObject({ limit: 1_000, retrySeconds: expect.any(Number) });
    expect(charge({ key: "c", organization: "beta" }, 500, false).retrySeconds).toBeNull();
    // What is more than there can ever be has to wait until all of it is there
    ms += 60_000;
    expect(charge(a, 5_000, false).retrySeconds).toBeNull();
  });

  test("recording has one of its own", () => {
    const { charge } = makeBudgets(limits, () => 0);
    const a = { key: "a", organization: "acme" };
    expect(charge(a, 600, false).retrySeconds).toBeNull();
    expect(charge(a, 100, true).retrySeconds).toBeNull();
    expect(charge(a, 1, true).retrySeconds).not.toBeNull();
  });
});

describe("over HTTP", () => {
  const database = withTestDatabase();
  const gateway = withGateway(database, {
    rateLimit: { key: 1_000, organization: 1_000_000, recording: 1_000 },
  });
  let key = "";
  let other = "";
  beforeAll(async () => {
    key = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
    other = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
  });

  test("who has spent it gets 429 and when to come back, and others are not concerned", async () => {
    const query = "{ prompts { nodes { id name } } }";
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
});
