import { expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";

/** `deno task drill` fills a real disk; here PostgreSQL says what it says then. */

const database = withTestDatabase();
const gateway = withGateway(database);

test("a full disk refuses writes honestly, and the health report says so at once", async () => {
  const key = await makeKey(database, await makeOrganization(database), [
    "prompts:read",
    "prompts:write",
  ]);
  await sealAll(database);
  const create = {
    query:
      `mutation { createPrompt(input: { prompt: { name: "x", content: "x" } }) { prompt { id } } }`,
    key,
  };
  const health = async () => {
    const answer = await fetch(`${gateway.url}/health`);
    return [answer.status, (await answer.json()).status];
  };
  expect((await graphql(gateway.url, create)).status).toBe(200);
  await sealAll(database);
  expect(await health()).toEqual([200, "healthy"]);
  await database.query(`
    create function app.test_disk_full() returns trigger language plpgsql as $$
    begin
      raise exception 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
    end $$;
    create trigger _000_test_disk_full before insert on core.prompts
      for each row execute function app.test_disk_full()`);
  const { status, errors } = await graphql(gateway.url, create);
  expect([status, errors?.[0]?.extensions?.code]).toEqual([503, "UNAVAILABLE"]);
  expect(JSON.stringify(errors)).not.toContain("base/");
  expect(await health()).toEqual([503, "unhealthy"]);
  const report = await (await fetch(`${gateway.url}/health`)).json();
  expect(report.problems).toContain("writes fail: the disk of the database is full");
  expect(JSON.stringify(report)).not.toContain("base/");
  // What only reads is answered
  expect((await graphql(gateway.url, { query: "{ prompts { totalCount } }", key })).status)
    .toBe(200);
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
});
