import { beforeEach, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, type GraphqlAnswer, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

/** What owners do for their organization, and people for themselves, without an operator. */

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let owner: { token: string; email: string; userId: number };

beforeEach(async () => {
  organization = await makeOrganization(database);
  owner = await makePerson(database, organization.ownerEmail);
});

// deno-lint-ignore no-explicit-any -- each query has an answer of its own
function ask(query: string, token = owner.token): Promise<GraphqlAnswer<any>> {
  return graphql(gateway.url, { token, organization: organization.slug, query });
}

async function addMember(role: string) {
  const person = await makePerson(database, `${role}@${organization.slug}.example`);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, $3)",
    [organization.id, person.userId, role],
  );
  return person;
}

describe("a legal hold", () => {
  test("is placed by the owner, holds, and is released by the owner", async () => {
    const { data } = await ask(
      `mutation { placeLegalHold(input: { reason: "Smith v. Us" }) { result { id reason byOperator releasedAt } } }`,
    );
    const { id, ...hold } = data.placeLegalHold.result;
    expect(hold).toEqual({ reason: "Smith v. Us", byOperator: false, releasedAt: null });
    const erase =
      `mutation { eraseOrganization(input: { slug: "${organization.slug}" }) { result { id } } }`;
    expect((await ask(erase)).errors).toMatchObject([{
      message: expect.stringContaining(`is under legal hold ${id} (Smith v. Us)`),
      extensions: { code: "CONFLICT" },
    }]);
    const release = `mutation { releaseLegalHold(input: { id: "${id}" }) { result { id } } }`;
    const admin = await addMember("admin");
    expect((await ask(release, admin.token)).errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
    expect((await ask(release)).errors).toBeUndefined();
    expect((await ask(release)).errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
    const { data: holds } = await ask("{ legalHolds { nodes { id releasedAt } } }", admin.token);
    expect(holds.legalHolds.nodes).toEqual([{ id, releasedAt: expect.any(String) }]);
    const logged = await database.query<{ action: string; actor_user_id: number }>(
      "select action, actor_user_id from ops.audit_log where entity_type = 'app.legal_hold' and entity_id = $1 order by seq",
      [id],
    );
    expect(logged).toEqual([
      { action: "insert", actor_user_id: owner.userId },
      { action: "update", actor_user_id: owner.userId },
    ]);
  });

  test("is released by its id, and another stays in force", async () => {
    const place = async () =>
      (await ask(`mutation { placeLegalHold(input: { reason: "x" }) { result { id } } }`)).data
        .placeLegalHold.result.id;
    const ids = [await place(), await place(), await place()];
    await ask(`mutation { releaseLegalHold(input: { id: "${ids[1]}" }) { result { id } } }`);
    const { data } = await ask("{ legalHolds { nodes { id releasedAt } } }");
    expect(data.legalHolds.nodes.at(-1)).toEqual({ id: ids[1], releasedAt: expect.any(String) });
    expect(
      data.legalHolds.nodes.slice(0, 2).map(({ id }: { id: string }) => id).toSorted(),
    ).toEqual([ids[0], ids[2]].toSorted());
  });

  test("of an operator is seen, and released by an operator alone", async () => {
    const [{ id } = { id: "" }] = await database.query<{ id: string }>(
      "select id from app.legal_hold_place($1, null, 'Smith v. Us')",
      [organization.id],
    );
    const { data } = await ask("{ legalHolds { nodes { id byOperator } } }");
    expect(data.legalHolds.nodes).toEqual([{ id, byOperator: true }]);
    const { errors } = await ask(
      `mutation { releaseLegalHold(input: { id: "${id}" }) { result { id } } }`,
    );
    expect(errors).toMatchObject([{ extensions: { code: "FORBIDDEN" } }]);
    expect(errors?.[0]?.message).toContain("An operator placed this hold");
  });

  test("of another organization is none", async () => {
    const other = await makeOrganization(database);
    const theirs = await makePerson(database, other.ownerEmail);
    const { placeLegalHold } = await graphqlData<{ placeLegalHold: { result: { id: string } } }>(
      gateway.url,
      {
        token: theirs.token,
        organization: other.slug,
        query: `mutation { placeLegalHold(input: { reason: "x" }) { result { id } } }`,
      },
    );
    const { errors } = await ask(
      `mutation { releaseLegalHold(input: { id: "${placeLegalHold.result.id}" }) { result { id } } }`,
    );
    expect(errors?.[0]?.extensions?.code).toBe("NOT_FOUND");
    expect((await ask("{ legalHolds { totalCount } }")).data.legalHolds.totalCount).toBe(0);
  });
});

describe("eraseOrganization", () => {
  const erase = (options: string, token?: string) =>
    ask(
      `mutation { eraseOrganization(input: { ${options} }) { result { id kind subjectId counts } } }`,
      token,
    );

  test("says what it would erase, and then does it", async () => {
    const slug = `slug: "${organization.slug}"`;
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'n', 'c')",
      [organization.id],
    );
    const count = async () =>
      (await database.query("select from core.prompts where organization_id = $1", [
        organization.id,
      ])).length;
    const dry = (await erase(`${slug}, dryRun: true`)).data.eraseOrganization.result;
    expect(dry).toMatchObject({ id: null, kind: "organization", subjectId: organization.id });
    expect(dry.counts).toMatchObject({ "core.prompts": 1, "ops.organization": 1 });
    expect(await count()).toBe(1);
    const { data, errors } = await erase(slug);
    expect(errors).toBeUndefined();
    const { id, counts } = data.eraseOrganization.result;
    expect(counts).toMatchObject({ "core.prompts": 1, "ops.organization": 1 });
    expect(await count()).toBe(0);
    expect(await database.query("select kind from app.erasure where id = $1", [id]))
      .toEqual([{ kind: "organization" }]);
    expect(await database.query("select * from app.audit_verify_chain()")).toEqual([]);
  });

  test("is refused without its slug, to others than owners, to keys, and of a personal one", async () => {
    const slug = `slug: "${organization.slug}"`;
    const { slug: another } = await makeOrganization(database, { owner: owner.email });
    expect((await erase(`slug: "${another}"`)).errors).toMatchObject([{
      extensions: { code: "INVALID", field: "slug" },
    }]);
    expect((await erase(slug, (await addMember("admin")).token)).errors?.[0]?.extensions?.code)
      .toBe("FORBIDDEN");
    const key = await makeKey(database, organization, ["organization:write"]);
    const { errors } = await graphql(gateway.url, {
      key,
      query: `mutation { eraseOrganization(input: { ${slug} }) { result { id } } }`,
    });
    expect(errors?.[0]?.extensions?.code).toBe("FORBIDDEN");
    const personal = await graphql(gateway.url, {
      token: owner.token,
      query:
        `mutation { eraseOrganization(input: { slug: "user-${owner.userId}" }) { result { id } } }`,
    });
    expect(personal.errors?.[0]?.message).toContain("it is erased with the user");
    expect(await database.query("select from ops.organization where id = $1", [organization.id]))
      .toHaveLength(1);
  });
});

describe("eraseAccount", () => {
  const erase = (email: string, token: string, dryRun = false) =>
    ask(
      `mutation { eraseAccount(input: { email: "${email}", dryRun: ${dryRun} }) { result { id kind counts } } }`,
      token,
    );

  test("erases who asks, whose token is worth nothing from then on", async () => {
    const person = await addMember("member");
    const dry = (await erase(person.email, person.token, true)).data.eraseAccount.result;
    expect(dry).toMatchObject({ id: null, kind: "user" });
    expect(dry.counts["core.users"]).toBe(1);
    const { data, errors } = await erase(person.email.toUpperCase(), person.token);
    expect(errors).toBeUndefined();
    expect(data.eraseAccount.result.id).toEqual(expect.any(String));
    expect(
      await database.query(
        "select email, erased_at is not null as erased from core.users where id = $1",
        [
          person.userId,
        ],
      ),
    ).toEqual([{ email: null, erased: true }]);
    expect((await ask("{ viewer { userId } }", person.token)).status).toBe(401);
    expect(await database.query("select * from app.audit_verify_chain()")).toEqual([]);
  });

  test("is refused with another's address, and to the last owner", async () => {
    const person = await addMember("member");
    expect((await erase(owner.email, person.token)).errors).toMatchObject([{
      extensions: { code: "INVALID", field: "email" },
    }]);
    const { errors } = await erase(owner.email, owner.token);
    expect(errors?.[0]?.extensions?.code).toBe("CONFLICT");
    expect(errors?.[0]?.message).toContain(`is the last owner of ${organization.slug}`);
    await ask(
      `mutation { changeMemberRole(input: { userId: ${person.userId}, role: "owner" }) { result { role } } }`,
    );
    expect((await erase(owner.email, owner.token)).errors).toBeUndefined();
  });
});

test("quotas say how many there may be, and are", async () => {
  await makeKey(database, organization, ["prompts:read"]);
  const viewer = await addMember("viewer");
  // What does not count: keys that are revoked or expired, who was removed, what others made
  for (const name of ["revoked", "expired", "lasting"]) {
    await database.query(
      "select app.api_key_create($1, null, $2, '{prompts:read}', now() + interval '1 day')",
      [organization.id, name],
    );
  }
  await database.query(
    `update ops.api_key set is_revoked = true, revoked_at = now() where organization_id = $1 and name = 'revoked'`,
    [organization.id],
  );
  await database.query(
    `update ops.api_key set created_at = now() - interval '2 days', expires_at = now() - interval '1 day'
      where organization_id = $1 and name = 'expired'`,
    [organization.id],
  );
  const former = await addMember("admin");
  await ask(
    `mutation { removeMember(input: { userId: ${former.userId} }) { result { status } } }`,
  );
  await graphqlData(gateway.url, {
    token: viewer.token,
    query:
      `mutation { createOrganization(input: { slug: "theirs-${organization.slug}", name: "x" }) { result { id } } }`,
  });
  await graphqlData(gateway.url, {
    token: owner.token,
    query:
      `mutation { createOrganization(input: { slug: "made-${organization.slug}", name: "x" }) { result { id } } }`,
  });
  const { data } = await ask("{ quotas { nodes { name maximum used } } }");
  expect(data.quotas.nodes).toEqual([
    { name: "api_keys_of_organization", maximum: 500, used: 2 },
    { name: "members_of_organization", maximum: 1000, used: 2 },
    { name: "organizations_of_person", maximum: 20, used: 1 },
  ]);
  const key = await makeKey(database, organization, ["members:read"]);
  const { quotas } = await graphqlData<{ quotas: { nodes: { name: string }[] } }>(gateway.url, {
    key,
    query: "{ quotas { nodes { name } } }",
  });
  expect(quotas.nodes.map(({ name }) => name)).toEqual([
    "api_keys_of_organization",
    "members_of_organization",
  ]);
});

test("time zone and retention are changed by the owner alone", async () => {
  const change =
    `mutation { updateOrganization(input: { id: "${organization.id}", patch: { timeZone: "Europe/Berlin", rawRetentionDays: 400, auditRetentionMonths: 24 } })
       { organization { timeZone rawRetentionDays auditRetentionMonths } } }`;
  const admin = await addMember("admin");
  expect((await ask(change, admin.token)).errors).toHaveLength(1);
  expect((await ask(change)).data.updateOrganization.organization).toEqual({
    timeZone: "Europe/Berlin",
    rawRetentionDays: 400,
    auditRetentionMonths: 24,
  });
});
