import { expect, test } from "vitest";
import type { Login } from "../../src/database/login.ts";
import { loginUrl } from "../../src/database/urls.ts";
import type { Adaptor } from "../../src/gateway/database/adaptor.ts";
import {
  introspectEarly,
  withEarlyIntrospection,
} from "../../src/gateway/database/early_introspection.ts";
import { withTestDatabase } from "../helpers/database.ts";

const database = withTestDatabase();

const loginTo = (url: string): Login => ({ url, renew: () => Promise.resolve() });

/** An adaptor that tells what it is asked. */
function makeAsked() {
  const asked: string[] = [];
  const adaptor = {
    introspectAs: (role: string) => (_settings: unknown, callback: (client: unknown) => unknown) =>
      Promise.resolve(callback({
        query({ text }: { text: string }) {
          asked.push(`${role}: ${text}`);
          return Promise.resolve({ rows: [] });
        },
      })),
  } as unknown as Adaptor;
  return { asked, adaptor };
}

async function ask(adaptor: Adaptor, role: "curestry_member" | "curestry_anonymous", text: string) {
  return await adaptor.introspectAs(role)(
    null,
    async (client) => (await client.query<{ introspection: string }>({ text })).rows,
  );
}

test("what was asked for early answers the first introspection of its role, and no other", async () => {
  const early = await introspectEarly(loginTo(database.adminUrl), "curestry_member");
  const { asked, adaptor: plain } = makeAsked();
  const adaptor = withEarlyIntrospection(plain, early!);
  const { text } = early!;
  expect(await ask(adaptor, "curestry_anonymous", text)).toEqual([]);
  const [row] = await ask(adaptor, "curestry_member", text);
  expect(JSON.stringify(row)).toContain("analysis_results");
  expect(asked).toEqual([`curestry_anonymous: ${text}`]);
  expect(await ask(adaptor, "curestry_member", text)).toEqual([]);
  expect(asked).toEqual([`curestry_anonymous: ${text}`, `curestry_member: ${text}`]);
});

test("a database that cannot be asked early is asked later", async () => {
  const url = loginUrl(database.adminUrl, "curestry_gateway", "wrong");
  expect(await introspectEarly(loginTo(url), "curestry_member")).toBeNull();
});
