import { beforeEach, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, type GraphqlError } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { untilBlocked } from "../helpers/sessions.ts";
import { makePerson, signIn, type TestPerson } from "../helpers/token.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

type Role = "owner" | "admin" | "member" | "viewer";
const ROLES: Role[] = ["owner", "admin", "member", "viewer"];

let organization: TestOrganization;
let people: Record<Role, TestPerson>;

beforeEach(async () => {
  organization = await makeOrganization(database);
  people = {
    owner: await signIn(database, organization.ownerEmail),
    admin: await join("admin"),
    member: await join("member"),
    viewer: await join("viewer"),
  };
});

/** A new active member of the organization. */
async function join(role: Role): Promise<TestPerson> {
  const person = await makePerson(database);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, $3)",
    [organization.id, person.userId, role],
  );
  return person;
}

interface Answer<T> {
  result: T | undefined;
  code: string | undefined;
  error: GraphqlError | undefined;
}

/** Runs a mutation in the organization. */
async function act<T = Record<string, unknown>>(
  actor: { token?: string; key?: string },
  mutation: string,
  variables: Record<string, unknown> = {},
  slug: string | null = organization.slug,
): Promise<Answer<T>> {
  const { data, errors } = await graphql<Record<string, { result: T } | null>>(gateway.url, {
    ...actor,
    ...(slug !== null && actor.token ? { organization: slug } : {}),
    query: mutation,
    variables,
  });
  return {
    result: Object.values(data ?? {})[0]?.result,
    code: errors?.[0]?.extensions?.code,
    error: errors?.[0],
  };
}

const INVITE =
  `mutation ($email: String!, $role: String!) { inviteMember(input: { email: $email, role: $role }) { result { code userId role } } }`;
const ACCEPT =
  `mutation ($code: String!) { acceptInvitation(input: { code: $code }) { result { organizationId role status } } }`;
const CHANGE =
  `mutation ($userId: Int!, $role: String!) { changeMemberRole(input: { userId: $userId, role: $role }) { result { role } } }`;
const REMOVE =
  `mutation ($userId: Int!) { removeMember(input: { userId: $userId }) { result { status } } }`;
const LEAVE = `mutation { leaveOrganization(input: {}) { result { status } } }`;
const CREATE =
  `mutation ($slug: String!) { createOrganization(input: { slug: $slug, name: "New" }) { result { id slug } } }`;
const VIEWER = `{ viewer { role permissions organizationSlug } }`;

async function status(userId: number): Promise<{ role: string; status: string } | undefined> {
  const [row] = await database.query<{ role: string; status: string }>(
    "select role, status from ops.organization_user where organization_id = $1 and user_id = $2",
    [organization.id, userId],
  );
  return row;
}

async function activeOwners(): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    "select count(*)::int as n from ops.organization_user where organization_id = $1 and role = 'owner' and status = 'active'",
    [organization.id],
  );
  return row?.n ?? 0;
}

describe("an invitation", () => {
  test("makes the person a member when they accept it with the code, and not before", async () => {
    const { result: invited } = await act<{ code: string; userId: number }>(people.admin, INVITE, {
      email: "new@x.example",
      role: "member",
    });
    const person = await signIn(database, "new@x.example");
    expect(await status(person.userId)).toEqual({ role: "member", status: "invited" });
    const before = await graphql(gateway.url, {
      token: person.token,
      organization: organization.slug,
      query: VIEWER,
    });
    expect(before.errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
    const { result } = await act(person, ACCEPT, { code: invited?.code }, null);
    expect(result).toEqual({ organizationId: organization.id, role: "member", status: "active" });
    const after = await graphql<{ viewer: { role: string } }>(gateway.url, {
      token: person.token,
      organization: organization.slug,
      query: VIEWER,
    });
    expect(after.data?.viewer.role).toBe("member");
  });

  test("is of no use to anybody else, twice, with another code, after a newer one or after it expired", async () => {
    const invite = async (email: string) =>
      (await act<{ code: string }>(people.owner, INVITE, { email, role: "viewer" })).result?.code;
    const code = await invite("a@x.example");
    const person = await signIn(database, "a@x.example");
    expect((await act(people.viewer, ACCEPT, { code }, null)).code).toBe("NOT_FOUND");
    expect((await act(person, ACCEPT, { code: "0".repeat(64) }, null)).code).toBe("NOT_FOUND");
    const newer = await invite("a@x.example");
    expect((await act(person, ACCEPT, { code }, null)).code).toBe("NOT_FOUND");
    expect((await act(person, ACCEPT, { code: newer }, null)).result).toBeDefined();
    expect((await act(person, ACCEPT, { code: newer }, null)).code).toBe("NOT_FOUND");

    const late = await invite("b@x.example");
    await database.query(
      "update ops.invitation set created_at = now() - interval '8 days', expires_at = now() - interval '1 second' where accepted_at is null and organization_id = $1",
      [organization.id],
    );
    expect((await act(await signIn(database, "b@x.example"), ACCEPT, { code: late }, null)).code)
      .toBe("NOT_FOUND");
  });

  test("is no less good because somebody else is invited", async () => {
    const invite = async (email: string) =>
      (await act<{ code: string }>(people.owner, INVITE, { email, role: "viewer" })).result?.code;
    const code = await invite("first@x.example");
    await invite("second@x.example");
    const { result } = await act(await signIn(database, "first@x.example"), ACCEPT, { code }, null);
    expect(result).toMatchObject({ role: "viewer", status: "active" });
  });

  test("that was taken back cannot be accepted", async () => {
    const { result } = await act<{ code: string; userId: number }>(people.owner, INVITE, {
      email: "back@x.example",
      role: "viewer",
    });
    await act(people.admin, REMOVE, { userId: result?.userId });
    const person = await signIn(database, "back@x.example");
    expect((await act(person, ACCEPT, { code: result?.code }, null)).code).toBe("NOT_FOUND");
    expect(await status(person.userId)).toMatchObject({ status: "removed" });
  });

  test("that was used is of no use when the person left and is invited again", async () => {
    const invite = async () =>
      (await act<{ code: string }>(people.owner, INVITE, {
        email: "twice@x.example",
        role: "viewer",
      }))
        .result?.code;
    const code = await invite();
    const person = await signIn(database, "twice@x.example");
    await act(person, ACCEPT, { code }, null);
    await act(person, LEAVE);
    await invite();
    expect((await act(person, ACCEPT, { code }, null)).code).toBe("NOT_FOUND");
  });

  test("of a member is refused, and of somebody who left is possible", async () => {
    const again = { email: people.viewer.email, role: "viewer" };
    expect((await act(people.admin, INVITE, again)).code).toBe("CONFLICT");
    await act(people.viewer, LEAVE);
    expect((await act(people.admin, INVITE, again)).result).toBeDefined();
  });
});

describe("rank", () => {
  const rank = (role: Role) => 4 - ROLES.indexOf(role);
  /** Who may make a role, or touch who has it. */
  const mayManage = (actor: Role, ...roles: Role[]) =>
    actor === "owner" || (actor === "admin" && roles.every((role) => rank(role) < rank("admin")));

  test.each(ROLES)("%s invites no higher than allowed", async (actor) => {
    for (const role of ROLES) {
      const email = `${actor}-${role}-${organization.slug}@x.example`;
      const { code } = await act(people[actor], INVITE, { email, role });
      expect(code, `${actor} invites ${role}`).toBe(
        mayManage(actor, role) ? undefined : "FORBIDDEN",
      );
      const rows = await database.query(
        "select from ops.organization_user m join core.users u on u.id = m.user_id where u.email = $1 and m.organization_id = $2",
        [email, organization.id],
      );
      expect(rows).toHaveLength(mayManage(actor, role) ? 1 : 0);
    }
  });

  test("who invites again needs the rank of the first invitation too", async () => {
    const email = `boss-${organization.slug}@x.example`;
    const { result } = await act<{ userId: number }>(people.owner, INVITE, {
      email,
      role: "admin",
    });
    expect((await act(people.admin, INVITE, { email, role: "viewer" })).code).toBe("FORBIDDEN");
    expect(await status(result?.userId ?? 0)).toEqual({ role: "admin", status: "invited" });
    expect((await act(people.owner, INVITE, { email, role: "viewer" })).code).toBeUndefined();
    expect(await status(result?.userId ?? 0)).toEqual({ role: "viewer", status: "invited" });
  });

  test.each(ROLES)("%s changes no role above their rank, nor to one", async (actor) => {
    for (const from of ROLES) {
      for (const to of ROLES) {
        const target = await join(from);
        const { code } = await act(people[actor], CHANGE, { userId: target.userId, role: to });
        const may = mayManage(actor, from, to);
        expect(code, `${actor}: ${from} → ${to}`).toBe(may ? undefined : "FORBIDDEN");
        expect(await status(target.userId)).toEqual({ role: may ? to : from, status: "active" });
      }
    }
  });

  test.each(ROLES)("%s removes nobody above their rank", async (actor) => {
    for (const role of ROLES) {
      const target = await join(role);
      const { code } = await act(people[actor], REMOVE, { userId: target.userId });
      const may = mayManage(actor, role);
      expect(code, `${actor} removes ${role}`).toBe(may ? undefined : "FORBIDDEN");
      expect(await status(target.userId)).toEqual({ role, status: may ? "removed" : "active" });
    }
  });

  test("nobody raises themselves", async () => {
    for (const role of ["admin", "member", "viewer"] as const) {
      const { code } = await act(people[role], CHANGE, {
        userId: people[role].userId,
        role: "owner",
      });
      expect(code).toBe("FORBIDDEN");
    }
  });

  test("a key with members:write but not organization:write stops at admins, whoever made it", async () => {
    const key = await makeKey(database, organization, ["members:read", "members:write"]);
    expect((await act({ key }, INVITE, { email: "k1@x.example", role: "member" })).code)
      .toBeUndefined();
    expect((await act({ key }, INVITE, { email: "k2@x.example", role: "admin" })).code).toBe(
      "FORBIDDEN",
    );
    expect((await act({ key }, REMOVE, { userId: people.owner.userId })).code).toBe("FORBIDDEN");
  });

  test("members of another organization do not exist", async () => {
    const other = await makeOrganization(database);
    for (const [mutation, variables] of [[CHANGE, { role: "viewer" }], [REMOVE, {}]] as const) {
      const { code } = await act(people.owner, mutation, {
        userId: other.ownerUserId,
        ...variables,
      });
      expect(code).toBe("NOT_FOUND");
    }
  });
});

describe("the last owner", () => {
  test("cannot leave, be removed or be demoted; after another was made, they can", async () => {
    const { owner } = people;
    expect((await act(owner, LEAVE)).code).toBe("CONFLICT");
    expect((await act(owner, REMOVE, { userId: owner.userId })).code).toBe("CONFLICT");
    const demoted = await act(owner, CHANGE, { userId: owner.userId, role: "admin" });
    expect(demoted.code).toBe("CONFLICT");
    expect(demoted.error?.message).toMatch(/keeps an active owner/);
    expect(await activeOwners()).toBe(1);
    await act(owner, CHANGE, { userId: people.admin.userId, role: "owner" });
    expect((await act(owner, LEAVE)).result).toEqual({ status: "removed" });
    expect(await activeOwners()).toBe(1);
  });

  test("of a personal organization is its person, who cannot leave, whoever else owns it", async () => {
    const { owner } = people;
    const [personal] = await database.query<{ id: string; slug: string }>(
      "select id, slug from ops.organization where personal_user_id = $1",
      [owner.userId],
    );
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'owner')",
      [personal?.id, people.admin.userId],
    );
    const { code, error } = await act(owner, LEAVE, {}, personal?.slug);
    expect([code, error?.message]).toEqual(["CONFLICT", "Nobody leaves a personal organization"]);
  });

  test("stays in psql too, and when the user is deleted", async () => {
    await expect(
      database.query("delete from ops.organization_user where organization_id = $1", [
        organization.id,
      ]),
    ).rejects.toMatchObject({ code: "CU005" });
    await expect(
      database.query(
        "update ops.organization_user set role = 'viewer' where organization_id = $1",
        [organization.id],
      ),
    ).rejects.toMatchObject({ code: "CU005" });
    expect(await activeOwners()).toBe(1);
  });

  test("of two who leave at the same instant, one stays", async () => {
    for (let round = 0; round < 10; round++) {
      const other = await join("owner");
      const answers = await Promise.all([
        act(people.owner, LEAVE),
        act(other, LEAVE),
      ]);
      expect(await activeOwners()).toBe(1);
      expect(answers.map(({ code }) => code ?? "left").toSorted()).toEqual(["CONFLICT", "left"]);
      await database.query(
        "update ops.organization_user set status = 'active' where organization_id = $1 and user_id = $2",
        [organization.id, people.owner.userId],
      );
      await database.query(
        "update ops.organization_user set status = 'removed' where organization_id = $1 and user_id = $2",
        [organization.id, other.userId],
      );
    }
  });

  test("of two transactions that overlap in psql, the second is refused", async () => {
    const other = await join("owner");
    await withClient(database.adminUrl, async (first) => {
      await withClient(database.adminUrl, async (second) => {
        const leave =
          "update ops.organization_user set status = 'removed' where organization_id = $1 and user_id = $2";
        await first.query("begin");
        await second.query("begin");
        await first.query(leave, [organization.id, people.owner.userId]);
        const waiting = second.query(leave, [organization.id, other.userId]);
        const refused = expect(waiting).rejects.toMatchObject({ code: "CU005" });
        await untilBlocked(database);
        await first.query("commit");
        await refused;
        await second.query("rollback");
      });
    });
    expect(await activeOwners()).toBe(1);
  });

  test("goes with the organization when an owner deletes it", async () => {
    const DELETE =
      `mutation ($id: UUID!) { deleteOrganization(input: { id: $id }) { organization { slug } } }`;
    for (const role of ["admin", "member", "viewer"] as const) {
      expect((await act(people[role], DELETE, { id: organization.id })).code).toBe("NOT_FOUND");
    }
    expect((await act(people.owner, DELETE, { id: organization.id })).code).toBeUndefined();
    expect(await database.query("select from ops.organization where id = $1", [organization.id]))
      .toEqual([]);
  });
});

test("whoever changes members or keys waits for nobody in another organization", async () => {
  const other = await makeOrganization(database);
  const { result: invited } = await act<{ code: string }>(people.owner, INVITE, {
    email: "waits@x.example",
    role: "viewer",
  });
  const person = await signIn(database, "waits@x.example");
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin; set local idle_in_transaction_session_timeout = 0");
    await client.query("select from ops.organization where id = $1 for update", [other.id]);
    const answers = [
      await act(person, ACCEPT, { code: invited?.code }, null),
      await act(people.owner, INVITE, { email: "waits-2@x.example", role: "viewer" }),
      await act(people.owner, CHANGE, { userId: person.userId, role: "member" }),
      await act(people.owner, REMOVE, { userId: person.userId }),
      await act(people.viewer, LEAVE),
      await act(
        people.owner,
        `mutation { createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id } } }`,
      ),
    ];
    expect(answers.map(({ code }) => code)).toEqual(answers.map(() => undefined));
    await client.query("rollback");
  });
});

test("a change of role, and a removal, act with the next request", async () => {
  const permissions = async () => {
    const { data, errors } = await graphql<{ viewer: { permissions: string[] } }>(gateway.url, {
      token: people.admin.token,
      organization: organization.slug,
      query: VIEWER,
    });
    return errors?.[0]?.extensions?.code ?? data?.viewer.permissions.includes("rubrics:write");
  };
  expect(await permissions()).toBe(true);
  await act(people.owner, CHANGE, { userId: people.admin.userId, role: "viewer" });
  expect(await permissions()).toBe(false);
  await act(people.owner, REMOVE, { userId: people.admin.userId });
  expect(await permissions()).toBe("FORBIDDEN");
});

test("everybody makes organizations that they own; a key makes none", async () => {
  const slug = `${organization.slug}-new`;
  const { result } = await act<{ slug: string }>(people.viewer, CREATE, { slug }, null);
  expect(result?.slug).toBe(slug);
  const { data } = await graphql<{ viewer: { role: string } }>(gateway.url, {
    token: people.viewer.token,
    organization: slug,
    query: VIEWER,
  });
  expect(data?.viewer.role).toBe("owner");
  expect((await act(people.member, CREATE, { slug }, null)).code).toBe("CONFLICT");
  expect((await act(people.member, CREATE, { slug: "Not A Slug" }, null)).code).toBe("INVALID");
  const key = await makeKey(database, organization, ["organization:write"]);
  expect((await act({ key }, CREATE, { slug: `${slug}-2` })).code).toBe("FORBIDDEN");
});
