import { createHash } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makePerson, signIn, type TestPerson } from "../helpers/token.ts";

/** Attacks by members and keys that want to do more, or for longer, than they may. */

const database = withTestDatabase();
const gateway = withGateway(database);

const SCOPES = ["prompts:read", "prompts:write", "analyses:read", "analyses:write"]
  .concat(["workflows:read", "workflows:write", "rubrics:read", "rubrics:write", "features:write"])
  .concat(["marts:read", "members:read", "members:write", "keys:write", "credentials:write"])
  .concat(["audit:read", "organization:write"]);

let organization: TestOrganization;
let people: Record<string, TestPerson>;
let other: TestOrganization;

beforeAll(async () => {
  other = await makeOrganization(database);
});

beforeEach(async () => {
  organization = await makeOrganization(database);
  people = { owner: await signIn(database, organization.ownerEmail) };
  for (const role of ["admin", "member", "viewer"]) {
    const person = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, $3)",
      [organization.id, person.userId, role],
    );
    people[role] = person;
  }
});

interface Asker {
  token?: string;
  key?: string;
}

async function act<T = { id: string; key: string }>(
  { token, key }: Asker,
  field: string,
): Promise<{ result: T | undefined; code: string | undefined }> {
  const { data, errors } = await graphql<{ act: { result: T } | null }>(gateway.url, {
    ...(token ? { token, organization: organization.slug } : {}),
    ...(key ? { key } : {}),
    query: `mutation { act: ${field} }`,
  });
  return { result: data?.act?.result, code: errors?.[0]?.extensions?.code };
}

const create = (asker: Asker, scopes: string[]) =>
  act(
    asker,
    `createApiKey(input: { name: "k", scopes: ${
      JSON.stringify(scopes)
    } }) { result { id key scopes } }`,
  );
const revoke = (asker: Asker, id = "") =>
  act(asker, `revokeApiKey(input: { id: "${id}" }) { result { id isRevoked } }`);
const rotate = (asker: Asker, id = "", overlap = 0) =>
  act(
    asker,
    `rotateApiKey(input: { id: "${id}", overlapSeconds: ${overlap} }) { result { id key } }`,
  );

/** The permissions of a credential, now; none: it is refused. */
async function permissionsOf({ token, key }: Asker): Promise<string[] | null> {
  const { data } = await graphql<{ viewer: { permissions: string[] | null } }>(gateway.url, {
    ...(token ? { token, organization: organization.slug } : {}),
    ...(key ? { key } : {}),
    query: "{ viewer { permissions } }",
  });
  return data ? data.viewer.permissions ?? [] : null;
}

describe("T23: keys that outgrow their maker", () => {
  test("a key has no scope that its maker lacks, for each role and scope", async () => {
    for (const [role, person] of Object.entries(people)) {
      const held = await permissionsOf(person) ?? [];
      for (const scope of SCOPES) {
        const { code, result } = await create(person, [scope]);
        const may = held.includes("keys:write") && held.includes(scope);
        expect([role, scope, code]).toEqual([role, scope, may ? undefined : "FORBIDDEN"]);
        if (may) expect(await permissionsOf({ key: result?.key ?? "" })).toEqual([scope]);
      }
    }
  });

  test("a key has no more than its maker has later", async () => {
    const { result } = await create(people.admin ?? {}, ["prompts:write", "rubrics:write"]);
    const key = { key: result?.key ?? "" };
    expect(await permissionsOf(key)).toEqual(["prompts:write", "rubrics:write"]);
    await act(
      people.owner ?? {},
      `changeMemberRole(input: { userId: ${people.admin?.userId}, role: "member" }) { result { role } }`,
    );
    expect(await permissionsOf(key)).toEqual(["prompts:write"]);
    await act(
      people.owner ?? {},
      `removeMember(input: { userId: ${people.admin?.userId} }) { result { role } }`,
    );
    expect(await permissionsOf(key) ?? []).toEqual([]);
  });

  test("a key made with a key has no more than that one, and ends with it", async () => {
    const { result: parent } = await create(people.owner ?? {}, ["prompts:read", "keys:write"]);
    const key = { key: parent?.key ?? "" };
    expect((await create(key, ["prompts:write"])).code).toBe("FORBIDDEN");
    expect((await create(key, ["keys:write"])).code).toBe("FORBIDDEN");
    const { result: child } = await create(key, ["prompts:read"]);
    expect(await permissionsOf({ key: child?.key ?? "" })).toEqual(["prompts:read"]);
    await revoke(people.owner ?? {}, parent?.id);
    expect(await permissionsOf(key)).toBeNull();
    expect(await permissionsOf({ key: child?.key ?? "" }) ?? []).toEqual([]);
  });

  test("a key made with a key lasts as long as that one, and no longer", async () => {
    const { result: parent } = await create(people.owner ?? {}, ["prompts:read", "keys:write"]);
    const { result: child } = await create({ key: parent?.key ?? "" }, ["prompts:read"]);
    async function expire(time: string): Promise<void> {
      await withClient(database.adminUrl, async (client) => {
        await client.query("begin; set local session_replication_role = replica");
        await client.query(`update ops.api_key set expires_at = ${time} where id = $1`, [
          parent?.id,
        ]);
        await client.query("commit");
      });
    }
    await expire("now() + interval '1 day'");
    expect(await permissionsOf({ key: child?.key ?? "" })).toEqual(["prompts:read"]);
    await expire("now() - interval '1 second'");
    expect(await permissionsOf({ key: child?.key ?? "" }) ?? []).toEqual([]);
  });

  test("a key cannot be changed: not its scopes, its maker, its secret, its expiry, nor that it is revoked", async () => {
    const { result } = await create(people.owner ?? {}, ["keys:write", "prompts:read"]);
    await revoke(people.owner ?? {}, result?.id);
    const writer = await makeKey(database, organization, ["keys:write"]);
    const attempts = [
      "is_revoked = false",
      "is_revoked = false, revoked_at = null",
      "revoked_at = now() + interval '1 day'",
      `scopes = '["organization:write"]'`,
      "by_operator = not by_operator",
      "key_hash = repeat('0', 64)",
      "parent_key_id = id",
      `user_id = ${people.admin?.userId}`,
    ];
    const where = `where id = '${result?.id}'`;
    for (const change of [...attempts, "expires_at = null", `organization_id = '${other.id}'`]) {
      await expect(
        asMember(
          database,
          writer,
          (client) => client.query(`update ops.api_key set ${change} ${where}`),
        ),
      ).rejects.toMatchObject({ code: "42501" });
    }
    // Not even an operator makes it what it was not
    for (const change of attempts) {
      await expect(database.query(`update ops.api_key set ${change} ${where}`)).rejects
        .toMatchObject({ code: expect.stringMatching(/^(CU005|23514)$/) });
    }
    expect(await permissionsOf({ key: result?.key ?? "" })).toBeNull();
  });

  test("a revoked key comes back by no door: rotation, another revocation, a new row", async () => {
    const { result } = await create(people.owner ?? {}, ["prompts:read"]);
    await revoke(people.owner ?? {}, result?.id);
    expect((await rotate(people.owner ?? {}, result?.id)).code).toBe("CONFLICT");
    await revoke(people.owner ?? {}, result?.id);
    expect(await permissionsOf({ key: result?.key ?? "" })).toBeNull();
    const hash = createHash("sha256").update(result?.key ?? "").digest("hex");
    await expect(
      database.query(
        `insert into ops.api_key (organization_id, by_operator, name, key_hash, scopes) values ($1, true, 'again', $2, '["prompts:read"]')`,
        [organization.id, hash],
      ),
    ).rejects.toMatchObject({ code: "23505" });
  });

  test("a key of another organization cannot be used, seen, revoked or rotated here", async () => {
    const foreign = await makeKey(database, other, ["prompts:read", "keys:write"]);
    expect(await permissionsOf({ key: foreign })).toHaveLength(2);
    const [row] = await database.query<{ id: string }>(
      "select id from ops.api_key where organization_id = $1 limit 1",
      [other.id],
    );
    expect((await revoke(people.owner ?? {}, row?.id)).code).toBe("NOT_FOUND");
    expect((await rotate(people.owner ?? {}, row?.id)).code).toBe("NOT_FOUND");
    const { status, errors } = await graphql(gateway.url, {
      key: foreign,
      organization: organization.slug,
      query: "{ viewer { userId } }",
    });
    expect([status, errors?.[0]?.extensions?.code]).toEqual([403, "FORBIDDEN"]);
  });

  test("a key cannot make a successor of itself that stays when it is revoked", async () => {
    const { result: stolen } = await create(people.owner ?? {}, ["prompts:read", "keys:write"]);
    const { result: successor } = await rotate({ key: stolen?.key ?? "" }, stolen?.id, 3600);
    expect(successor).toBeUndefined();
    // Its owner can: the successor is theirs
    const { result: rotated } = await rotate(people.owner ?? {}, stolen?.id, 3600);
    await revoke(people.owner ?? {}, stolen?.id);
    expect(await permissionsOf({ key: stolen?.key ?? "" })).toBeNull();
    expect(await permissionsOf({ key: rotated?.key ?? "" })).toHaveLength(2);
  });

  test("who rotates another's key holds nothing after they were removed", async () => {
    const operators = await makeKey(database, organization, ["prompts:read"]);
    const [row] = await database.query<{ id: string }>(
      "select id from ops.api_key where key_hash = encode(sha256(convert_to($1, 'UTF8')), 'hex')",
      [operators],
    );
    const { result } = await rotate(people.admin ?? {}, row?.id);
    expect(await permissionsOf({ key: result?.key ?? "" })).toEqual(["prompts:read"]);
    await act(
      people.owner ?? {},
      `removeMember(input: { userId: ${people.admin?.userId} }) { result { role } }`,
    );
    expect(await permissionsOf({ key: result?.key ?? "" }) ?? []).toEqual([]);
  });
});

describe("T41: members who raise themselves", () => {
  test("by an invitation to themselves, to a higher role", async () => {
    for (const role of ["member", "viewer"]) {
      const { code } = await act(
        people[role] ?? {},
        `inviteMember(input: { email: "${
          people[role]?.email
        }", role: "owner" }) { result { userId } }`,
      );
      expect(code).toBe("FORBIDDEN");
    }
    const { code } = await act(
      people.admin ?? {},
      `inviteMember(input: { email: "${people.admin?.email}", role: "owner" }) { result { userId } }`,
    );
    expect(code).toBe("FORBIDDEN");
  });

  test("by a key of their own with members:write, above their rank or their key's", async () => {
    const { result } = await create(people.admin ?? {}, ["members:write"]);
    const key = { key: result?.key ?? "" };
    for (
      const field of [
        `changeMemberRole(input: { userId: ${people.admin?.userId}, role: "owner" }) { result { role } }`,
        `changeMemberRole(input: { userId: ${people.viewer?.userId}, role: "admin" }) { result { role } }`,
        `removeMember(input: { userId: ${people.owner?.userId} }) { result { role } }`,
        `inviteMember(input: { email: "x@x.example", role: "owner" }) { result { userId } }`,
      ]
    ) {
      expect((await act(key, field)).code).toBe("FORBIDDEN");
    }
  });

  test("by SQL as a request", async () => {
    const key = await makeKey(database, organization, SCOPES);
    for (
      const statement of [
        "update ops.organization_user set role = 'owner'",
        "update ops.organization_user set status = 'active'",
        "insert into ops.organization_user (user_id, role) values (1, 'owner')",
        "insert into ops.organization_user (organization_id, user_id, role) select id, 1, 'owner' from ops.organization",
        "delete from ops.organization_user",
        "update ops.invitation set accepted_at = now()",
        "insert into ops.invitation (organization_user_id) values (null)",
        "update core.sessions set revoked_at = null",
        "insert into core.sessions (user_id, jwt_id) values (1, 'mine')",
        "update core.users set email = 'victim@x.example'",
        "select app.user_ensure('mine@x.example')",
        "select app.organization_create('mine', 'Mine', 'mine@x.example')",
        "select app.session_open('victim@x.example', '1 year')",
        "select app.begin_request(null, null, null, null)",
        "select app.session_refresh('x')",
        "select app.analyst_grant('x', null)",
      ]
    ) {
      await expect(asMember(database, key, (client) => client.query(statement))).rejects
        .toMatchObject({ code: "42501" });
    }
  });

  test("a removed member has nothing left, and an old code brings them back nowhere", async () => {
    const invite = await act<{ code: string }>(
      people.owner ?? {},
      `inviteMember(input: { email: "late@x.example", role: "admin" }) { result { code } }`,
    );
    const person = await signIn(database, "late@x.example");
    const accept =
      `mutation { acceptInvitation(input: { code: "${invite.result?.code}" }) { result { status } } }`;
    await graphql(gateway.url, { token: person.token, query: accept });
    expect(await permissionsOf(person)).toContain("rubrics:write");
    await act(
      people.owner ?? {},
      `removeMember(input: { userId: ${person.userId} }) { result { role } }`,
    );
    expect(await permissionsOf(person)).toBeNull();
    const again = await graphql(gateway.url, { token: person.token, query: accept });
    expect(again.errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
    expect(await permissionsOf(person)).toBeNull();
  });
});

describe("T42, T43: organizations without an owner", () => {
  test("an owner and who demotes them at the same instant do not leave it alone", async () => {
    const second = await makePerson(database);
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [organization.id, second.userId],
    );
    const demote = (asker: TestPerson, userId: number | undefined) =>
      act(
        asker,
        `changeMemberRole(input: { userId: ${userId}, role: "viewer" }) { result { role } }`,
      );
    const codes = await Promise.all([
      demote(people.owner as TestPerson, second.userId),
      demote(second, people.owner?.userId),
    ]);
    const owners = await database.query(
      "select from ops.organization_user where organization_id = $1 and role = 'owner' and status = 'active'",
      [organization.id],
    );
    expect(owners).toHaveLength(1);
    expect(codes.filter(({ code }) => code === undefined)).toHaveLength(1);
  });

  test("a user who is the last owner cannot be deleted, not even by an operator", async () => {
    await expect(
      database.query("delete from core.users where id = $1", [people.owner?.userId]),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(CU005|23503)$/) });
  });

  test("nobody but an owner deletes it, and nobody a personal one", async () => {
    const remove = (asker: Asker, id: string) =>
      act(asker, `deleteOrganization(input: { id: "${id}" }) { organization { id } }`);
    for (const role of ["admin", "member", "viewer"]) {
      expect((await remove(people[role] ?? {}, organization.id)).code).toBe("NOT_FOUND");
    }
    const [personal] = await database.query<{ id: string; slug: string }>(
      "select id, slug from ops.organization where personal_user_id = $1",
      [people.owner?.userId],
    );
    const { errors } = await graphql(gateway.url, {
      token: people.owner?.token ?? "",
      query:
        `mutation { deleteOrganization(input: { id: "${personal?.id}" }) { organization { id } } }`,
    });
    expect(errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
    // Both were there, and one of them is the owner's to delete
    expect(await database.query("select from ops.organization where id = $1", [personal?.id]))
      .toHaveLength(1);
    expect((await remove(people.owner ?? {}, organization.id)).code).toBeUndefined();
  });
});

describe("T65: jobs", () => {
  test("are queued and read by nobody but the worker", async () => {
    const key = await makeKey(database, organization, SCOPES);
    const [queue] = await database.query<{ exists: boolean }>(
      "select to_regnamespace('graphile_worker') is not null as exists",
    );
    expect(queue?.exists).toBe(true);
    for (
      const statement of [
        "select graphile_worker.add_job('refresh_marts', '{}')",
        "select from graphile_worker._private_jobs",
        "delete from graphile_worker._private_jobs",
        "select graphile_worker.force_unlock_workers(array['x'])",
        "select app.mart_refresh_all()",
        "select app.audit_write_seals()",
      ]
    ) {
      await expect(asMember(database, key, (client) => client.query(statement))).rejects
        .toMatchObject({ code: "42501" });
      await withClient(database.gatewayUrl, async (client) => {
        await expect(client.query(statement)).rejects.toMatchObject({ code: "42501" });
      });
    }
    await withClient(database.workerUrl, async (client) => {
      await client.query("begin");
      await client.query("select graphile_worker.add_job('refresh_marts', '{}')");
      await client.query("rollback");
    });
  });
});
