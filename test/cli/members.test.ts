import { expect, test } from "vitest";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeAnalyst, makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

/** What operators do with people and organizations: `user list`, `organization list`, `member …`, `quota …`. */

const database = withTestDatabase();
const gateway = withGateway(database);
const { env } = database;

interface Refusal {
  error: { code: string; message: string; field?: string };
}

test("member add, role and remove say who is what, from the next request on", async () => {
  const { slug } = await makeOrganization(database, { slug: "studio" });
  const ben = await makePerson(database, "ben@studio.example");
  const role = async () =>
    (await graphql<{ viewer: { role: string } }>(gateway.url, {
      token: ben.token,
      organization: slug,
      query: "{ viewer { role } }",
    })).data?.viewer.role;
  const member = (command: string, ...rest: string[]) =>
    cliJson(["member", command, ben.email, "--organization", slug, ...rest], { env });

  expect(await role()).toBeUndefined();
  expect(await member("add", "--role", "viewer")).toEqual({
    organization: "studio",
    email: "ben@studio.example",
    userId: ben.userId,
    role: "viewer",
    status: "active",
  });
  expect(await role()).toBe("viewer");
  expect(await member("role", "--role", "admin")).toMatchObject({ role: "admin" });
  expect(await role()).toBe("admin");
  expect(await member("remove")).toMatchObject({ status: "removed" });
  expect(await role()).toBeUndefined();
  expect(await member("add", "--role", "member")).toMatchObject({ status: "active" });
  expect(await role()).toBe("member");
  const changes = await database.query(
    "select action from ops.audit_log where entity_type = 'ops.organization_user' and coalesce(after_state, before_state) ->> 'user_id' = $1 and organization_id = (select id from ops.organization where slug = 'studio') order by seq",
    [String(ben.userId)],
  );
  expect(changes.map(({ action }) => action)).toEqual(["insert", "update", "update", "update"]);
});

test("member add makes the account of a newcomer, and takes an invitation's place", async () => {
  const { slug, ownerEmail } = await makeOrganization(database, { slug: "newcomers" });
  const owner = await makePerson(database, ownerEmail);
  const { inviteMember } = await graphqlData<{ inviteMember: { result: { code: string } } }>(
    gateway.url,
    {
      token: owner.token,
      organization: slug,
      query:
        `mutation { inviteMember(input: { email: "new@newcomers.example", role: "viewer" }) { result { code } } }`,
    },
  );
  const add = (email: string, code = 0) =>
    cliJson(["member", "add", email, "--organization", slug, "--role", "member"], { env }, code);
  expect(await add("new@newcomers.example")).toMatchObject({ role: "member", status: "active" });
  expect(await add("newer@newcomers.example")).toMatchObject({ role: "member" });
  expect(await add("new@newcomers.example", 1)).toMatchObject({
    error: { code: "CONFLICT", message: "new@newcomers.example is a member already, as member" },
  });
  const person = await makePerson(database, "new@newcomers.example");
  const { errors } = await graphql(gateway.url, {
    token: person.token,
    query:
      "mutation ($code: String!) { acceptInvitation(input: { code: $code }) { result { role } } }",
    variables: { code: inviteMember.result.code },
  });
  expect(errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
});

test("the last owner stays until another one is made, and can then be erased", async () => {
  const { slug, ownerEmail } = await makeOrganization(database, { slug: "handed-on" });
  for (const args of [["role", ownerEmail, "--role", "admin"], ["remove", ownerEmail]]) {
    const refusal = await cliJson<Refusal>(
      ["member", ...args, "--organization", slug],
      { env },
      1,
    );
    expect(refusal.error.code).toBe("CONFLICT");
    expect(refusal.error.message).toContain("keeps an active owner");
  }
  await cliJson(
    ["member", "add", "next@handed.example", "--organization", slug, "--role", "owner"],
    { env },
  );
  await cliJson(["user", "erase", ownerEmail, "--yes"], { env });
  const { members } = await cliJson<{ members: unknown[] }>(
    ["member", "list", "--organization", slug],
    { env },
  );
  expect(members).toMatchObject([{ email: "next@handed.example", role: "owner" }]);
});

test("nobody leaves a personal organization", async () => {
  const { userId, email } = await makePerson(database, "alone@x.example");
  const refusal = await cliJson<Refusal>(
    ["member", "remove", email, "--organization", `user-${userId}`],
    { env },
    1,
  );
  expect(refusal.error.message).toBe("Nobody leaves a personal organization");
});

test("member list, organization list and user list show who is where", async () => {
  await makeOrganization(database, { slug: "list-a", name: "List A", owner: "owner@list.example" });
  await makeOrganization(database, { slug: "list-b", owner: "owner@list.example" });
  const guest = await makePerson(database, "guest@list.example");
  await database.query(
    `insert into ops.organization_user (organization_id, user_id, role, status)
     select id, $1, 'viewer', 'invited' from ops.organization where slug = 'list-a'`,
    [guest.userId],
  );
  await cliJson(["legal-hold", "place", "--organization", "list-b", "--reason", "x"], { env });

  const { members } = await cliJson<{ members: { organization: string }[] }>(
    ["member", "list"],
    { env },
  );
  expect(members.filter(({ organization }) => organization.startsWith("list-"))).toMatchObject([
    { organization: "list-a", email: "owner@list.example", role: "owner", status: "active" },
    { organization: "list-a", email: "guest@list.example", role: "viewer", status: "invited" },
    { organization: "list-b", email: "owner@list.example", role: "owner", status: "active" },
  ]);

  const list = async (...args: string[]) =>
    (await cliJson<{ organizations: { slug: string }[] }>(["organization", "list", ...args], {
      env,
    })).organizations;
  expect((await list()).filter(({ slug }) => slug.startsWith("list-"))).toMatchObject([
    {
      slug: "list-a",
      name: "List A",
      owners: ["owner@list.example"],
      members: 1,
      invited: 1,
      timeZone: "UTC",
      personal: false,
      held: false,
    },
    { slug: "list-b", members: 1, invited: 0, held: true },
  ]);
  const own = ({ slug }: { slug: string }) => slug === `user-${guest.userId}`;
  expect((await list()).find(own)).toBeUndefined();
  expect((await list("--personal")).find(own)).toMatchObject({ personal: true, members: 1 });

  const { users } = await cliJson<{ users: unknown[] }>(
    ["user", "list", "--organization", "list-a"],
    { env },
  );
  expect(users).toMatchObject([
    {
      email: "guest@list.example",
      organizations: ["list-a: invited as viewer"],
      signedInAt: expect.any(String),
    },
    {
      email: "owner@list.example",
      organizations: ["list-a: owner", "list-b: owner"],
      signedInAt: null,
    },
  ]);
  for (const command of ["member", "organization", "user"]) {
    const { code, stdout } = await cli([command, "list"], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/owner@list\.example/);
  }
});

test("quota set changes what quota list shows", async () => {
  const quotas = async () =>
    (await cliJson<{ quotas: { name: string; maximum: number }[] }>(["quota", "list"], { env }))
      .quotas;
  const before = await quotas();
  expect(before.map(({ name }) => name)).toEqual([
    "api_keys_of_organization",
    "members_of_organization",
    "organizations_of_person",
  ]);
  await cliJson(["quota", "set", "organizations_of_person", "21"], { env });
  expect(await quotas()).toEqual([
    ...before.slice(0, 2),
    { name: "organizations_of_person", maximum: 21 },
  ]);
  expect(await cliJson(["quota", "set", "wishes", "3"], { env }, 1)).toMatchObject({
    error: { code: "NOT_FOUND" },
  });
});

test.each([
  [["member", "add", "a@x.example", "--organization", "studio"], "--role"],
  [["member", "role", "a@x.example", "--role", "viewer"], "--organization"],
  [["quota", "set", "organizations_of_person", "many"], "no number"],
  [["legal-hold", "release", "42"], "`legal-hold list` shows the ids"],
  [["api-key", "revoke", "42"], "`api-key list` shows the ids"],
])("bad usage exits 2 and says what is wrong: %j", async (args, message) => {
  const { code, stdout, stderr } = await cli(args, { env });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});

test("a role that is none, and people and organizations that are not there, are named", async () => {
  await makeOrganization(database, { slug: "named", owner: "owner@named.example" });
  const fail = async (...args: string[]) =>
    (await cliJson<Refusal>(["member", ...args], { env }, 1)).error.message;
  expect(await fail("add", "a@x.example", "--organization", "named", "--role", "king"))
    .toBe("role must be owner, admin, member or viewer");
  expect(await fail("add", "a@x.example", "--organization", "nowhere", "--role", "viewer"))
    .toContain("There is no organization with the slug 'nowhere'");
  expect(await fail("role", "b@x.example", "--organization", "named", "--role", "viewer"))
    .toBe(
      "There is no user with the e-mail address 'b@x.example': `user list` shows those there are",
    );
  const { username: analyst } = new URL(
    await makeAnalyst(database, [await makeOrganization(database)]),
  );
  expect(await fail("role", `${analyst}@x.example`, "--organization", "named", "--role", "viewer"))
    .toContain(`The analyst ${analyst} is a login of the database and no user`);
  const stranger = await makePerson(database, "stranger@x.example");
  expect(await fail("remove", stranger.email, "--organization", "named"))
    .toContain("There is no member");
});
