import { beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson, signIn, type TestPerson } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

let organization: TestOrganization;
let owner: TestPerson;
let admin: TestPerson;

beforeAll(async () => {
  organization = await makeOrganization(database);
  owner = await signIn(database, organization.ownerEmail);
  admin = await makePerson(database);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
    [organization.id, admin.userId],
  );
});

interface NewKey {
  id: string;
  key: string;
  scopes: string[];
  expiresAt: string | null;
}

async function run<T>(
  credential: { token?: string; key?: string },
  query: string,
  variables: Record<string, unknown> = {},
) {
  const answer = await graphql<Record<string, { result: T }>>(gateway.url, {
    ...credential,
    ...(credential.token ? { organization: organization.slug } : {}),
    query,
    variables,
  });
  return {
    status: answer.status,
    result: Object.values(answer.data ?? {})[0]?.result,
    code: answer.errors?.[0]?.extensions?.code,
    field: answer.errors?.[0]?.extensions?.field,
  };
}

const make = (
  credential: { token?: string; key?: string },
  scopes: string[],
  expiresAt: string | null = null,
) =>
  run<NewKey>(
    credential,
    `mutation ($scopes: [String!]!, $expiresAt: Datetime) { createApiKey(input: { name: "k", scopes: $scopes, expiresAt: $expiresAt }) { result { id key scopes expiresAt } } }`,
    { scopes, expiresAt },
  );
const rotate = (credential: { token?: string; key?: string }, id: string, overlapSeconds: number) =>
  run<NewKey>(
    credential,
    `mutation ($id: UUID!, $overlapSeconds: Int) { rotateApiKey(input: { id: $id, overlapSeconds: $overlapSeconds }) { result { id key scopes expiresAt } } }`,
    { id, overlapSeconds },
  );
const revoke = (credential: { token?: string; key?: string }, id: string) =>
  run<{ isRevoked: boolean }>(
    credential,
    `mutation ($id: UUID!) { revokeApiKey(input: { id: $id }) { result { isRevoked } } }`,
    { id },
  );

async function permissions(key: string): Promise<string[] | number> {
  const { status, data } = await graphql<{ viewer: { permissions: string[] | null } }>(
    gateway.url,
    { key, query: "{ viewer { permissions } }" },
  );
  return status === 200 ? data?.viewer.permissions ?? [] : status;
}

/** Lets the time pass that a key has left; it must have an end. */
async function expire(id = ""): Promise<void> {
  const expired = await database.query(
    "update ops.api_key set expires_at = clock_timestamp() where id = $1 and expires_at > clock_timestamp() returning id",
    [id],
  );
  expect(expired).toEqual([{ id }]);
}

test("a key is answered once, and only its hash is stored", async () => {
  const { result } = await make(owner, ["prompts:read", "analyses:write"]);
  expect(result?.key).toMatch(/^cur_[0-9a-f]{32}_[0-9a-f]{72}$/);
  expect(await permissions(result?.key ?? "")).toEqual(
    ["analyses:write", "prompts:read"].toReversed(),
  );
  const [leak] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.api_key k where k::text like '%' || $1 || '%'",
    [result?.key.slice(38, 102)],
  );
  expect(leak?.n).toBe(0);
});

describe("scopes", () => {
  test("are known permissions", async () => {
    const { code, field } = await make(owner, ["prompts:read", "prompts:delete"]);
    expect([code, field]).toEqual(["INVALID", "scopes"]);
    expect((await make(owner, [])).code).toBe("INVALID");
  });

  test("are not beyond what the maker may", async () => {
    expect((await make(admin, ["organization:write"])).code).toBe("FORBIDDEN");
    expect((await make(admin, ["keys:write", "audit:read"])).code).toBeUndefined();
    const member = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'member')",
      [organization.id, member.userId],
    );
    expect((await make(member, ["prompts:read"])).code).toBe("FORBIDDEN");
  });

  test("shrink with the maker's role, and end with the membership", async () => {
    const maker = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
      [organization.id, maker.userId],
    );
    const { result } = await make(maker, ["prompts:read", "prompts:write", "keys:write"]);
    const set = (change: string) =>
      database.query(
        `update ops.organization_user set ${change} where organization_id = $1 and user_id = $2`,
        [organization.id, maker.userId],
      );
    expect(await permissions(result?.key ?? "")).toEqual([
      "prompts:read",
      "prompts:write",
      "keys:write",
    ]);
    await set("role = 'viewer'");
    expect(await permissions(result?.key ?? "")).toEqual(["prompts:read"]);
    await set("status = 'removed'");
    expect(await permissions(result?.key ?? "")).toBe(401);
    await set("status = 'active', role = 'owner'");
    expect(await permissions(result?.key ?? "")).toBe(401);
  });

  test("of a key whose maker was deleted are none", async () => {
    const maker = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
      [organization.id, maker.userId],
    );
    const { result } = await make(maker, ["prompts:read"]);
    await database.query("delete from ops.organization where personal_user_id = $1", [
      maker.userId,
    ]);
    await database.query("delete from core.users where id = $1", [maker.userId]);
    expect(await permissions(result?.key ?? "")).toEqual([]);
  });

  test("of a key that was made with a key are that key's at most, as long as it is in force", async () => {
    const parent = await makeKey(database, organization, ["keys:write", "prompts:read"]);
    expect((await make({ key: parent }, ["prompts:write"])).code).toBe("FORBIDDEN");
    expect((await make({ key: parent }, ["keys:write"])).code).toBe("FORBIDDEN");
    const { result } = await make({ key: parent }, ["prompts:read"]);
    expect(await permissions(result?.key ?? "")).toEqual(["prompts:read"]);
    await revoke(owner, `${parent.slice(4, 36)}`);
    expect(await permissions(result?.key ?? "")).toEqual([]);
  });
});

describe("revocation", () => {
  test("acts with the next request, answers the same again, and cannot be undone", async () => {
    const { result } = await make(owner, ["prompts:read"]);
    expect(await permissions(result?.key ?? "")).toEqual(["prompts:read"]);
    expect((await revoke(admin, result?.id ?? "")).result).toEqual({ isRevoked: true });
    expect(await permissions(result?.key ?? "")).toBe(401);
    expect((await revoke(admin, result?.id ?? "")).result).toEqual({ isRevoked: true });
    await expect(
      database.query(
        "update ops.api_key set is_revoked = false, revoked_at = null where id = $1",
        [result?.id],
      ),
    ).rejects.toMatchObject({ code: "CU005" });
    expect((await rotate(owner, result?.id ?? "", 60)).code).toBe("CONFLICT");
  });

  test("of another organization's key is impossible", async () => {
    const other = await makeOrganization(database);
    const key = await makeKey(database, other, ["prompts:read"]);
    expect((await revoke(owner, key.slice(4, 36))).code).toBe("NOT_FOUND");
    expect(await permissions(key)).toEqual(["prompts:read"]);
  });
});

test("after a rotation both keys work for the overlap, then the new one alone", async () => {
  const { result: old } = await make(owner, ["prompts:read"]);
  const { result: next } = await rotate(owner, old?.id ?? "", 600);
  expect(next?.scopes).toEqual(["prompts:read"]);
  expect(next?.key).not.toBe(old?.key);
  expect(await permissions(old?.key ?? "")).toEqual(["prompts:read"]);
  expect(await permissions(next?.key ?? "")).toEqual(["prompts:read"]);
  const [overlap] = await database.query(
    "select expires_at between now() + interval '1 second' and now() + interval '600 seconds' as is_left from ops.api_key where id = $1",
    [old?.id],
  );
  expect(overlap).toEqual({ is_left: true });
  await expire(old?.id);
  expect(await permissions(old?.key ?? "")).toBe(401);
  expect(await permissions(next?.key ?? "")).toEqual(["prompts:read"]);
});

test("who may not do what a key may cannot rotate it to get hold of one", async () => {
  const { result } = await make(owner, ["organization:write"]);
  expect((await rotate(admin, result?.id ?? "", 60)).code).toBe("FORBIDDEN");
});

test("an expired key is refused, and an expiry in the past when the key is made", async () => {
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const { result } = await make(owner, ["prompts:read"], soon);
  expect(await permissions(result?.key ?? "")).toEqual(["prompts:read"]);
  await expire(result?.id);
  expect(await permissions(result?.key ?? "")).toBe(401);
  for (const never of ["2020-01-01T00:00:00Z", "infinity"]) {
    const { code, field } = await make(owner, ["prompts:read"], never);
    expect([code, field]).toEqual(["INVALID", "expiresAt"]);
  }
});

test("the use of a key is noted, about once a minute, beside the request", async () => {
  const { result } = await make(owner, ["prompts:read"]);
  const { result: other } = await make(owner, ["prompts:read"]);
  const used = async (id = result?.id) =>
    (await database.query<{ last_used_at: Date | null }>(
      "select last_used_at from ops.api_key where id = $1",
      [id],
    ))[0]?.last_used_at?.getTime();
  expect([await used(), await used(other?.id)]).toEqual([undefined, undefined]);
  await permissions(result?.key ?? "");
  await eventually(async () => expect(await used()).toBeDefined());
  expect(await used(other?.id)).toBeUndefined();
  const first = await used();
  await permissions(result?.key ?? "");
  // By the time that a later use is noted, this one would be
  await permissions(other?.key ?? "");
  await eventually(async () => expect(await used(other?.id)).toBeDefined());
  expect(await used()).toBe(first);

  // Each gateway remembers what it noted; what another one notes is known to the database
  const note = () =>
    query(database.gatewayUrl, "select app.api_key_touch(encode(sha256($1::text::bytea), 'hex'))", [
      result?.key,
    ]);
  await note();
  expect(await used()).toBe(first);
  await database.query(
    "update ops.api_key set last_used_at = now() - interval '2 minutes' where id = $1",
    [result?.id],
  );
  await note();
  expect(await used()).toBeGreaterThan(first ?? Infinity);
});
