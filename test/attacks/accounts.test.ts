import { beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson, signIn, type TestPerson } from "../helpers/token.ts";

/** H5, M5 and others: accounts, names, keys of people who have left, and how many of each. */

const database = withTestDatabase();
const gateway = withGateway(database);

let organization: TestOrganization;
let owner: TestPerson;

beforeAll(async () => {
  organization = await makeOrganization(database);
  owner = await signIn(database, organization.ownerEmail);
});

interface Act {
  token?: string;
  key?: string;
  organization?: string;
}

async function act<T = Record<string, unknown>>(
  asker: Act,
  field: string,
): Promise<{ result: T | undefined; code: string | undefined; message: string | undefined }> {
  const { data, errors } = await graphql<{ act: { result: T } | null }>(gateway.url, {
    ...asker,
    query: `mutation { act: ${field} }`,
  });
  return {
    result: data?.act?.result,
    code: errors?.[0]?.extensions?.code,
    message: errors?.[0]?.message,
  };
}

const inOurs = () => ({ token: owner.token, organization: organization.slug });
const invite = (email: string, asker: Act = inOurs()) =>
  act<{ userId: number; code: string }>(
    asker,
    `inviteMember(input: { email: ${JSON.stringify(email)} }) { result { userId code } }`,
  );
const createOrganization = (slug: string, { token }: Act = owner) =>
  act(
    { token: token ?? "" },
    `createOrganization(input: { slug: "${slug}", name: "n" }) { result { slug } }`,
  );

describe("slugs that the system gives", () => {
  test.each(["user-8", "user-999999", "user-1-x", "legacy"])("%s is refused", async (slug) => {
    expect(await createOrganization(slug)).toMatchObject({ code: "INVALID" });
    await expect(
      database.query("update ops.organization set slug = $1 where id = $2", [
        slug,
        organization.id,
      ]),
    ).rejects.toThrow("is reserved");
  });

  test("others are not, and one that was taken before keeps nobody from having an account", async () => {
    expect(await createOrganization("users")).toMatchObject({ result: { slug: "users" } });
    const [next] = await database.query<{ id: number }>(
      "select nextval('core.users_id_seq')::int + 1 as id",
    );
    await database.query("alter table ops.organization disable trigger _100_name");
    await database.query("insert into ops.organization (name, slug) values ('squat', $1)", [
      `user-${next?.id}`,
    ]);
    await database.query("alter table ops.organization enable trigger _100_name");
    const { result } = await invite("late@example.com");
    expect(result?.userId).toBe(next?.id);
    const [personal] = await database.query<{ slug: string }>(
      "select slug from ops.organization where personal_user_id = $1",
      [next?.id],
    );
    expect(personal?.slug).toMatch(new RegExp(`^user-${next?.id}-[0-9a-f]{8}$`));
  });
});

describe("quotas", () => {
  test("of organizations that one person makes, however fast, and whoever owns them then", async () => {
    const person = await makePerson(database);
    const answers = await Promise.all(
      Array.from({ length: 25 }, (_, n) => createOrganization(`many-${n}`, person)),
    );
    expect(answers.filter(({ result }) => result)).toHaveLength(20);
    const refused = answers.filter(({ result }) => !result);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(["LIMIT"]));
    expect(refused[0]?.message).toContain("organizations_of_person");
    // Another person has a quota of their own, and an operator can change it
    const other = await makePerson(database);
    expect(await createOrganization("other-1", other)).toMatchObject({
      result: expect.any(Object),
    });
    await database.query("select app.quota_set('organizations_of_person', 21)");
    expect(await createOrganization("many-x", person)).toMatchObject({
      result: expect.any(Object),
    });
    await database.query("select app.quota_set('organizations_of_person', 20)");
  });

  test("of members with those who are invited, and of keys that can be used", async () => {
    const small = await makeOrganization(database);
    const asker = {
      token: (await signIn(database, small.ownerEmail)).token,
      organization: small.slug,
    };
    await database.query("select app.quota_set('members_of_organization', 2)");
    const { result } = await invite("second@example.com", asker);
    expect(await invite("third@example.com", asker)).toMatchObject({ code: "LIMIT" });
    // Again, and in the place of somebody who has left
    expect(await invite("second@example.com", asker)).toMatchObject({ result: expect.any(Object) });
    await act(asker, `removeMember(input: { userId: ${result?.userId} }) { result { status } }`);
    expect(await invite("third@example.com", asker)).toMatchObject({ result: expect.any(Object) });
    // In psql too, at the same moment
    await database.query("select app.quota_set('members_of_organization', 4)");
    const people = await Promise.all(Array.from({ length: 5 }, () => makePerson(database)));
    const joined = await Promise.allSettled(people.map(({ userId }) =>
      database.query(
        "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer')",
        [small.id, userId],
      )
    ));
    expect(joined.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    await database.query("select app.quota_set('members_of_organization', 1000)");

    await database.query("select app.quota_set('api_keys_of_organization', 2)");
    await makeKey(database, organization, ["prompts:read"]);
    const create = (expires = false) => {
      const expiresAt = expires ? `, expiresAt: "${new Date(Date.now() + 3.6e6).toJSON()}"` : "";
      return act<{ id: string }>(
        asker,
        `createApiKey(input: { name: "k", scopes: ["prompts:read"]${expiresAt} }) { result { id } }`,
      );
    };
    const answers = await Promise.all(Array.from({ length: 6 }, (_, n) => create(n % 2 === 0)));
    expect(answers.map(({ code }) => code ?? "made").toSorted())
      .toEqual([...Array.from({ length: 4 }, () => "LIMIT"), "made", "made"]);
    const [first, second] = answers.flatMap(({ result }) => result?.id ?? []);
    // In the place of one that was revoked, and of one that has expired
    await act(asker, `revokeApiKey(input: { id: "${first}" }) { result { id } }`);
    expect(await create(true)).toMatchObject({ result: expect.any(Object) });
    expect(await create()).toMatchObject({ code: "LIMIT" });
    await database.query("update ops.api_key set expires_at = clock_timestamp() where id = $1", [
      second,
    ]);
    expect(await create()).toMatchObject({ result: expect.any(Object) });
    expect(await create()).toMatchObject({ code: "LIMIT" });
    await database.query("select app.quota_set('api_keys_of_organization', 500)");
  });
});

describe("the keys of a member who leaves", () => {
  const uses = async (key: string) =>
    (await graphql(gateway.url, { key, query: "{ viewer { permissions } }" })).errors?.[0]
      ?.extensions?.code ?? "accepted";

  test.each([
    ["is removed", "removeMember"],
    ["leaves", "leaveOrganization"],
    ["is taken out with SQL", "update"],
    ["is deleted", "delete"],
  ])("end when the member %s, and do not come back", async (_, way) => {
    const person = await makePerson(database);
    const { result: invitation } = await invite(person.email);
    const asker = { token: person.token, organization: organization.slug };
    const accept = (code = "") =>
      act(
        { token: person.token },
        `acceptInvitation(input: { code: "${code}" }) { result { role } }`,
      );
    await accept(invitation?.code);
    await database.query(
      "update ops.organization_user set role = 'admin' where organization_id = $1 and user_id = $2",
      [organization.id, person.userId],
    );
    const { result } = await act<{ id: string; key: string }>(
      asker,
      'createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id key } }',
    );
    const key = result?.key ?? "";
    expect(await uses(key)).toBe("accepted");
    // One that ended before, and those of others, and of the same person elsewhere
    const { result: before } = await act<{ id: string }>(
      asker,
      'createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { id } }',
    );
    await act(asker, `revokeApiKey(input: { id: "${before?.id}" }) { result { id } }`);
    const others = await Promise.all([
      act<{ key: string }>(
        inOurs(),
        'createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { key } }',
      ),
      act<{ key: string }>(
        { token: person.token },
        'createApiKey(input: { name: "k", scopes: ["prompts:read"] }) { result { key } }',
      ),
    ]);
    const at = [organization.id, person.userId];
    if (way === "removeMember") {
      await act(inOurs(), `removeMember(input: { userId: ${person.userId} }) { result { role } }`);
    } else if (way === "leaveOrganization") {
      await act(asker, "leaveOrganization(input: {}) { result { role } }");
    } else if (way === "update") {
      await database.query(
        "update ops.organization_user set status = 'removed' where organization_id = $1 and user_id = $2",
        at,
      );
    } else {
      await database.query(
        "delete from ops.organization_user where organization_id = $1 and user_id = $2",
        at,
      );
    }
    expect(await uses(key)).toBe("UNAUTHENTICATED");
    for (const { result: other } of others) expect(await uses(other?.key ?? "")).toBe("accepted");
    expect(await database.query("select is_revoked from ops.api_key where id = $1", [result?.id]))
      .toEqual([{ is_revoked: true }]);
    const { result: again } = await invite(person.email);
    expect(await accept(again?.code)).toMatchObject({ result: expect.any(Object) });
    expect(await uses(key)).toBe("UNAUTHENTICATED");
  });
});

describe("addresses and names", () => {
  test.each([
    "owner@acme.test\u200b",
    "own\u00ader@acme.test",
    "\u202eowner@acme.test",
    "ow\u2066ner@acme.test",
    "o\u0000wner@acme.test".replace("\u0000", "\u0001"),
    "\u043ewner@acme.test",
    "owner@\u0430cme.test",
    "\u03bfwner@acme.test",
    "<script>@acme.test",
    '"x"@acme.test',
    "a@b@c",
    "",
  ])("an invitation of %j is refused", async (email) => {
    expect(await invite(email)).toMatchObject({ code: "INVALID" });
  });

  test("those that look the same are one person; other alphabets are welcome", async () => {
    const { result } = await invite("Zoe\u0301@example.com");
    for (
      const email of ["zoe\u0301@example.com", " zo\u00e9@example.com\n", "zo\u00e9@ｅxample.com"]
    ) {
      expect((await invite(email)).result?.userId).toBe(result?.userId);
    }
    for (const email of ["иван@пример.example", "νίκος@example.com", "太郎@example.jp"]) {
      expect(await invite(email)).toMatchObject({ result: expect.any(Object) });
    }
  });

  test("names show all that is in them, and pictures are on the web", async () => {
    const bad = ["a\u200bb", "a\u202eb", "a\u0007b", "\ufeffa"];
    for (const name of bad) {
      const literal = JSON.stringify(name);
      expect(
        await act(
          inOurs(),
          `createApiKey(input: { name: ${literal}, scopes: ["prompts:read"] }) { result { id } }`,
        ),
      ).toMatchObject({ code: "INVALID" });
      expect(
        await act(
          owner,
          `createOrganization(input: { slug: "bad-name", name: ${literal} }) { result { slug } }`,
        ),
      ).toMatchObject({ code: "INVALID" });
      await expect(database.query("update core.users set name = $1", [name])).rejects.toThrow(
        "name: must not",
      );
    }
    await database.query("update core.users set name = $1", ["Zoë 👩\u200d💻 Δ"]);
    for (
      const url of ["javascript:alert(1)", "data:text/html,x", "//x", "https://a b", "ftp://x"]
    ) {
      await expect(database.query("update core.users set avatar_url = $1", [url])).rejects.toThrow(
        "avatarUrl",
      );
    }
    await database.query("update core.users set avatar_url = 'https://example.com/a.png?s=1'");
  });

  test("what the old backends allowed stays, and can be edited beside it", async () => {
    await database.query("alter table core.users disable trigger _100_text");
    const [old] = await database.query<{ id: number }>(
      "insert into core.users (email, avatar_url) values ('a\u200b@example.com', 'javascript:x') returning id",
    );
    await database.query("alter table core.users enable trigger _100_text");
    await database.query("update core.users set name = 'n' where id = $1", [old?.id]);
  });
});

async function makeInvitation(): Promise<string> {
  const [invitation] = await database.query<{ id: string }>(
    `insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
     select organization_id, id, repeat('0', 64), now() + interval '1 day'
       from ops.organization_user where organization_id = $1 limit 1 returning id`,
    [organization.id],
  );
  return invitation?.id ?? "";
}

// By the triggers _200_finite
test("infinity is no time", async () => {
  expect(
    await act(
      inOurs(),
      'createApiKey(input: { name: "k", scopes: ["prompts:read"], expiresAt: "infinity" }) { result { id } }',
    ),
  ).toMatchObject({ code: "INVALID" });
  await expect(
    database.query(
      `insert into ops.api_key (organization_id, name, key_hash, scopes, expires_at, by_operator)
       values ($1, 'k', repeat('0', 64), '["prompts:read"]', 'infinity', true)`,
      [organization.id],
    ),
  ).rejects.toThrow("infinity is none");
  await expect(
    database.query("update ops.invitation set expires_at = 'infinity' where id = $1", [
      await makeInvitation(),
    ]),
  ).rejects.toThrow("infinity is none");
  const insert =
    "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', $2)";
  await database.query(insert, [organization.id, "2026-01-01"]);
  for (const time of ["infinity", "-infinity"]) {
    await expect(database.query(insert, [organization.id, time])).rejects.toThrow(
      "infinity is none",
    );
    await expect(
      database.query(
        `insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
         values ($1, 'succeeded', $2, $2, 'x')`,
        [organization.id, time],
      ),
    ).rejects.toThrow("infinity is none");
  }
});

test("the system's own words are nobody's request id", async () => {
  const idOf = async (id: string) => {
    const [row] = await query<{ id: string }>(
      database.adminUrl,
      `select current_setting('curestry.request_id') as id from app.begin_request(null, null, null, $1)`,
      [id],
    );
    return row?.id;
  };
  // One statement, whose answer is computed after the function
  expect(await idOf("r-1")).toBe("r-1");
  for (const id of ["migration", "Retention", " migration "]) {
    expect(await idOf(id)).toMatch(/^id-[0-9a-f]{64}$/);
  }
});

test("usage counts for organizations that the person is, or was, a member of", async () => {
  const other = await makeOrganization(database);
  const [session] = await database.query<{ jwt: string }>(
    "select jwt_id as jwt from core.sessions where user_id = $1 limit 1",
    [owner.userId],
  );
  const record = (slug: string) =>
    database.query("select app.api_usage_record($1) as n", [
      JSON.stringify([{ jwtId: session?.jwt, organization: slug, field: "f", count: 1, age: 0 }]),
    ]);
  expect(await record(organization.slug)).toEqual([{ n: 1 }]);
  expect(await record(other.slug)).toEqual([{ n: 0 }]);
});
