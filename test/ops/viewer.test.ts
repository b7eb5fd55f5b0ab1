import { expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

/** `viewer`: who one is, where, and where else one could be. */

const database = withTestDatabase();
const gateway = withGateway(database);

const query = `{ viewer {
  userId email apiKeyId organizationSlug role permissions organizations { slug name role personal }
} }`;

async function viewer(credential: { token?: string; key?: string; organization?: string }) {
  const data = await graphqlData<{ viewer: Record<string, unknown> | null }>(gateway.url, {
    ...credential,
    query,
  });
  return data.viewer;
}

test("a person is somebody in one organization, and sees all that they belong to now", async () => {
  const [viewed, owned] = [await makeOrganization(database), await makeOrganization(database)];
  const [invited, left] = [await makeOrganization(database), await makeOrganization(database)];
  const person = await makePerson(database);
  for (
    const [{ id }, role, status] of [
      [viewed, "viewer", "active"],
      [owned, "owner", "active"],
      [invited, "viewer", "invited"],
      [left, "viewer", "removed"],
    ] as const
  ) {
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role, status) values ($1, $2, $3, $4)",
      [id, person.userId, role, status],
    );
  }
  const own = `user-${person.userId}`;
  const organizations = [
    { slug: viewed.slug, name: viewed.slug, role: "viewer", personal: false },
    { slug: owned.slug, name: owned.slug, role: "owner", personal: false },
    { slug: own, name: person.email, role: "owner", personal: true },
  ];
  const who = { userId: person.userId, email: person.email, apiKeyId: null, organizations };
  const { token } = person;
  expect(await viewer({ token })).toMatchObject({ ...who, organizationSlug: own, role: "owner" });
  const there = await viewer({ token, organization: viewed.slug });
  expect(there).toMatchObject({ ...who, organizationSlug: viewed.slug, role: "viewer" });
  expect(there?.permissions).not.toContain("prompts:write");
  expect(there?.permissions).toContain("prompts:read");
  await database.query("delete from ops.organization where personal_user_id = $1", [person.userId]);
  expect(await viewer({ token })).toMatchObject({
    userId: person.userId,
    organizationSlug: null,
    role: null,
    organizations: organizations.slice(0, 2),
  });
});

test("a key is itself, and sees the organization that it is for", async () => {
  const [organization, other] = [
    await makeOrganization(database),
    await makeOrganization(database),
  ];
  const person = await makePerson(database);
  for (const { id } of [organization, other]) {
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'admin')",
      [id, person.userId],
    );
  }
  const [made] = await database.query<{ id: string; key: string }>(
    "select id, key from app.api_key_create($1, $2, 'k', '{prompts:read}', null)",
    [organization.id, person.userId],
  );
  expect(await viewer({ key: made?.key ?? "" })).toEqual({
    userId: person.userId,
    email: person.email,
    apiKeyId: made?.id,
    organizationSlug: organization.slug,
    role: "admin",
    permissions: ["prompts:read"],
    organizations: [{
      slug: organization.slug,
      name: organization.slug,
      role: "admin",
      personal: false,
    }],
  });
  expect(await viewer({ key: await makeKey(database, organization, ["prompts:read"]) }))
    .toMatchObject({ userId: null, organizationSlug: organization.slug, organizations: [] });
});

test("without credentials nobody is anybody", async () => {
  expect(await viewer({})).toBeNull();
});
