import { expect, test } from "vitest";
import { databaseUrl } from "../../src/database/urls.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const { env } = database;

interface Refusal {
  error: { code: string; message: string; field?: string };
}

test("organization create makes the organization, its owner, and the owner's account only once", async () => {
  const args = ["organization", "create", "--name", "One", "--owner", "ann@example.com"];
  const first = await cliJson<{ id: string; ownerUserId: number }>(
    [...args, "--slug", "one"],
    { env },
  );
  const second = await cliJson<{ ownerUserId: number }>([...args, "--slug", "two"], { env });
  expect(second.ownerUserId).toBe(first.ownerUserId);
  expect(
    await database.query(
      `select o.slug, o.name, m.role, u.email from ops.organization o
         join ops.organization_user m on m.organization_id = o.id join core.users u on u.id = m.user_id
        where o.id = $1`,
      [first.id],
    ),
  ).toEqual([{ slug: "one", name: "One", role: "owner", email: "ann@example.com" }]);
});

test("organization create refuses a slug that is taken and one that is none, in words", async () => {
  await makeOrganization(database, { slug: "taken" });
  const args = ["organization", "create", "--name", "N", "--owner", "a@example.com", "--slug"];
  expect(await cliJson<Refusal>([...args, "taken"], { env }, 1)).toEqual({
    error: {
      code: "CONFLICT",
      field: "slug",
      message: "There is an organization with the slug 'taken' already",
    },
  });
  const { code, stdout, stderr } = await cli([...args, "Not A Slug"], { env });
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toContain("slug must be lower-case letters, digits and hyphens");
});

test("organization create gives an organization that nobody owns an owner, and its name", async () => {
  const [left] = await database.query<{ id: string }>(
    `with other as (insert into ops.organization (slug, name) values ('left-too', 'Left'))
     insert into ops.organization (slug, name) values ('left-alone', 'Left') returning id`,
  );
  for (
    const [email, role, status] of [
      ["admin@example.com", "admin", "active"],
      ["invited@example.com", "owner", "invited"],
    ]
  ) {
    await database.query(
      "insert into ops.organization_user (organization_id, user_id, role, status) values ($1, app.user_ensure($2), $3, $4)",
      [left?.id, email, role, status],
    );
  }
  await makeOrganization(database, { slug: "bystander", name: "Bystander" });
  const create = (code = 0) =>
    cliJson<{ id: string }>(
      [
        ...["organization", "create", "--slug", "left-alone", "--name", "Found"],
        ...["--owner", "admin@example.com"],
      ],
      { env },
      code,
    );
  expect((await create()).id).toBe(left?.id);
  expect(
    await database.query(
      `select o.slug, o.name, m.role from ops.organization o
         join ops.organization_user m on m.organization_id = o.id and m.status = 'active'
        where o.slug in ('left-alone', 'bystander') order by 1`,
    ),
  ).toEqual([
    { slug: "bystander", name: "Bystander", role: "owner" },
    { slug: "left-alone", name: "Found", role: "owner" },
  ]);
  expect(await create(1)).toMatchObject({ error: { code: "CONFLICT", field: "slug" } });
});

test("api-key create prints a key that opens the API to its scopes, until it is revoked", async () => {
  await makeOrganization(database, { slug: "keys" });
  const made = await cliJson<{ id: string; key: string; scopes: string[]; expiresAt: string }>([
    ...["api-key", "create", "--organization", "keys", "--name", "first"],
    ...["--scope", "prompts:write,prompts:read", "--scope", "marts:read", "--expires", "90d"],
  ], { env });
  expect(made.key).toMatch(/^cur_[0-9a-f]{32}_[0-9a-f]{72}$/);
  expect(made.scopes).toEqual(["marts:read", "prompts:read", "prompts:write"]);
  const days = (Date.parse(made.expiresAt) - Date.now()) / 86_400_000;
  expect(days).toBeCloseTo(90, 2);

  const listed = await cli(["api-key", "list", "--organization", "keys", "--json"], { env });
  expect(JSON.parse(listed.stdout).apiKeys).toEqual([
    expect.objectContaining({ id: made.id, name: "first", isRevoked: false }),
  ]);
  expect(listed.stdout).not.toContain(made.key.slice(36));

  const ask = { key: made.key, query: "{ prompts { totalCount } }" };
  expect((await graphql(gateway.url, ask)).data).toEqual({ prompts: { totalCount: 0 } });
  const other = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
  const revoked = await cliJson<object>(["api-key", "revoke", made.id], { env });
  expect(revoked).toMatchObject({ id: made.id });
  expect((await graphql(gateway.url, ask)).status).toBe(401);
  expect(await cliJson(["api-key", "revoke", made.id], { env })).toEqual(revoked);
  expect((await graphql(gateway.url, { ...ask, key: other })).status).toBe(200);
});

test("api-key list shows the keys of all organizations, whose they are, and who made them", async () => {
  const made: { organization: string; scopes: string[]; createdBy: string | null }[] = [];
  for (const slug of ["list-a", "list-b"]) {
    const organization = await makeOrganization(database, { slug });
    await makeKey(database, organization, ["marts:read"]);
    await database.query(
      "select app.api_key_create($1, $2, 'by hand', '{prompts:read}', null)",
      [organization.id, organization.ownerUserId],
    );
    made.push(
      { organization: slug, scopes: ["marts:read"], createdBy: "operator" },
      { organization: slug, scopes: ["prompts:read"], createdBy: organization.ownerEmail },
    );
  }
  // Whose maker is gone is not the operator's
  const [gone] = await database.query(
    `insert into core.users (email) values ('gone@list.example') returning id,
       (select id from ops.organization where slug = 'list-b') as organization`,
  );
  await database.query("select app.api_key_create($1, $2, 'left', '{prompts:read}', null)", [
    gone?.organization,
    gone?.id,
  ]);
  await database.query("delete from core.users where id = $1", [gone?.id]);
  made.push({ organization: "list-b", scopes: ["prompts:read"], createdBy: null });
  const list = async (...args: string[]) =>
    (await cliJson<{ apiKeys: { organization: string }[] }>(["api-key", "list", ...args], { env }))
      .apiKeys.filter(({ organization }) => organization.startsWith("list-"));
  expect(await list()).toMatchObject(made);
  expect(await list("--organization", "list-b")).toMatchObject(made.slice(2));
});

test("api-key create names an unknown scope, and lists those that there are", async () => {
  await makeOrganization(database, { slug: "scopes" });
  const { error } = await cliJson<Refusal>(
    [
      ...["api-key", "create", "--organization", "scopes", "--name", "k"],
      ...["--scope", "prompts:raed"],
    ],
    { env },
    1,
  );
  expect(error).toMatchObject({ code: "INVALID", field: "scopes" });
  expect(error.message).toContain("'prompts:raed' is not a permission");
  expect(error.message).toContain("prompts:read");
  expect(await database.query("select from ops.api_key k where k.name = 'k'")).toEqual([]);
});

test("an unknown organization, key and user are named", async () => {
  const id = "00000000-0000-0000-0000-000000000001";
  expect(await cliJson(["api-key", "list", "--organization", "nowhere"], { env }, 1)).toEqual({
    error: {
      code: "NOT_FOUND",
      field: "organization",
      message: "There is no organization with the slug 'nowhere'",
    },
  });
  expect(await cliJson(["api-key", "revoke", id], { env }, 1)).toEqual({
    error: { code: "NOT_FOUND", field: "id", message: `There is no API key ${id}` },
  });
  expect(await cliJson(["token", "create", "--user", "x@example.com"], { env }, 1)).toEqual({
    error: {
      code: "NOT_FOUND",
      field: "user",
      message: "There is no user with the e-mail address 'x@example.com'",
    },
  });
});

test("token create opens a session that the gateway accepts, in the user's organizations", async () => {
  const team = await makeOrganization(database, { slug: "team", owner: "tom@example.com" });
  const { token, expiresAt } = await cliJson<{ token: string; expiresAt: string }>(
    ["token", "create", "--user", "tom@example.com", "--expires", "15m"],
    { env },
  );
  expect((Date.parse(expiresAt) - Date.now()) / 60_000).toBeCloseTo(15, 0);
  const query =
    `mutation { createPrompt(input: { prompt: { name: "T", content: "t" } }) { prompt { id } } }`;
  const { status, errors } = await graphql(gateway.url, { token, organization: "team", query });
  expect({ status, errors }).toEqual({ status: 200, errors: undefined });
  expect(
    await database.query("select name from core.prompts where organization_id = $1", [team.id]),
  )
    .toEqual([{ name: "T" }]);
});

test("analyst create makes a login that reads its organizations, and writes nothing", async () => {
  const [mine, other] = [await makeOrganization(database), await makeOrganization(database)];
  for (const { id } of [mine, other]) {
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'P', $2)",
      [id, id],
    );
  }
  const name = database.roleName("reader");
  const args = ["analyst", "create", "--name", name, "--organization", mine.slug];
  const { url } = await cliJson<{ url: string }>(args, { env });
  expect(url.replace(/:[A-Za-z0-9]{32}@/, ":…@")).toBe(
    database.adminUrl.replace(/\/\/.*@/, `//${name}:…@`),
  );
  expect(await query(url, "select content from core.prompts")).toEqual([{ content: mine.id }]);
  await expect(query(url, "update core.prompts set name = 'X'")).rejects.toThrow(
    /read-only|denied/,
  );

  const again = await cliJson<Refusal>(args, { env }, 1);
  expect(again.error).toMatchObject({ code: "CONFLICT", field: "name" });
});

test("a database without our schema is told to be migrated", async () => {
  const url = databaseUrl(database.adminUrl, "postgres");
  const { error } = await cliJson<Refusal>(
    ["api-key", "list"],
    { env: { ...env, DATABASE_URL: url } },
    1,
  );
  expect(error.message).toContain("deno task migrate");
});
