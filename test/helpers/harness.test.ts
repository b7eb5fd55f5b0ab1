import { expect, test } from "vitest";
import { query, withTestDatabase } from "./database.ts";
import { withGateway } from "./gateway.ts";
import { graphqlData } from "./graphql.ts";
import { makeAnalyst, makeKey, makeOrganization } from "./make.ts";

const database = withTestDatabase();
const gateway = withGateway(database);

test("a test file gets a migrated database, a gateway, organizations, keys and analysts", async () => {
  const acme = await makeOrganization(database, { slug: "acme" });
  const key = await makeKey(database, acme, ["prompts:read", "prompts:write"]);
  const analyst = await makeAnalyst(database, [acme]);
  await graphqlData(gateway.url, {
    key,
    query:
      `mutation { createPrompt(input: { prompt: { name: "A", content: "B" } }) { prompt { id } } }`,
  });
  expect(await query(analyst, "select name, content from core.prompts"))
    .toEqual([{ name: "A", content: "B" }]);
});

test("only our own logins may connect to a test database, as to a real one", async () => {
  const rows = await database.query<{ public: boolean; gateway: boolean }>(
    `select has_database_privilege('public', current_database(), 'connect') as public,
            has_database_privilege('curestry_gateway', current_database(), 'connect') as gateway`,
  );
  expect(rows).toEqual([{ public: false, gateway: true }]);
});
