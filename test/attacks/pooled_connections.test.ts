import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { signIn } from "../helpers/token.ts";

/** Who asked last must not matter to who asks next on the same connection. */

const database = withTestDatabase();
const gateway = withGateway(database, { poolSize: 3 });

const REQUESTS = 10_000;
/** Requests under way at once: enough that all connections change hands all the time. */
const AT_ONCE = 24;

interface Request {
  credential: { token?: string; key?: string; organization?: string };
  query: string;
  /** What its answer has to be. */
  expected: unknown;
}

const kinds: Request[] = [];

beforeAll(async () => {
  for (let n = 0; n < 3; n++) {
    const organization = await makeOrganization(database, { slug: `tenant-${n}` });
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, $2, 'x')",
      [organization.id, `of tenant-${n}`],
    );
    const { token, userId } = await signIn(database, organization.ownerEmail);
    const credentials = [
      { token, organization: organization.slug },
      { key: await makeKey(database, organization, ["prompts:read", "prompts:write"]) },
    ];
    for (const credential of credentials) kinds.push(...ofMember(credential, organization, userId));
    kinds.push({
      credential: { token },
      query: "{ viewer { organizationSlug } prompts { totalCount } }",
      expected: { viewer: { organizationSlug: `user-${userId}` }, prompts: { totalCount: 0 } },
    });
    kinds.push({
      credential: { key: await makeKey(database, organization, ["features:write"]) },
      query: "{ prompts { totalCount } viewer { permissions } }",
      expected: { prompts: null, viewer: { permissions: ["features:write"] } },
    });
    kinds.push({
      credential: { token, organization: `tenant-${(n + 1) % 3}` },
      query: "{ prompts { totalCount } }",
      expected: "FORBIDDEN",
    });
  }
  kinds.push(
    { credential: {}, query: "{ viewer { userId } }", expected: { viewer: null } },
    {
      credential: { key: "cur_00" },
      query: "{ viewer { userId } }",
      expected: "UNAUTHENTICATED",
    },
  );
});

function ofMember(
  credential: Request["credential"],
  { slug }: TestOrganization,
  userId: number,
): Request[] {
  return [
    {
      credential,
      query: "{ viewer { organizationSlug userId } prompts { totalCount nodes { name } } }",
      expected: {
        viewer: { organizationSlug: slug, userId: credential.token ? userId : null },
        prompts: { totalCount: 1, nodes: [{ name: `of ${slug}` }] },
      },
    },
    {
      // Fails in the database, after the context was made
      credential,
      query:
        `mutation { createPrompt(input: { prompt: { name: " ", content: "x" } }) { prompt { id } } }`,
      expected: "INVALID",
    },
    {
      credential,
      query:
        `mutation { updatePrompt(input: { id: "none", patch: { name: "y" } }) { prompt { id } } }`,
      expected: "NOT_FOUND",
    },
  ];
}

describe("T54: claims left over in pooled connections", () => {
  test(`${REQUESTS} mixed requests over 3 connections each get their own answer`, async () => {
    const wrong: unknown[] = [];
    let next = 0;
    let seed = 7;
    const answered = new Map<Request, number>();
    const ask = async () => {
      while (next++ < REQUESTS) {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        const kind = kinds[seed % kinds.length];
        if (kind === undefined) throw new Error("There is nothing to ask");
        const { data, errors } = await graphql(gateway.url, {
          query: kind.query,
          ...kind.credential,
        });
        const answer = typeof kind.expected === "string" ? errors?.[0]?.extensions?.code : data;
        answered.set(kind, (answered.get(kind) ?? 0) + 1);
        if (JSON.stringify(answer) !== JSON.stringify(kind.expected)) {
          wrong.push({ query: kind.query, expected: kind.expected, answer: answer ?? errors });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(answered.size).toBe(kinds.length);
    const connections = await database.query(
      "select from pg_stat_activity where usename = 'curestry_gateway' and datname = current_database()",
    );
    expect(connections.length).toBeLessThanOrEqual(3);
  }, 600_000);
});
