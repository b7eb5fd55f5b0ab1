import { beforeAll, describe, expect, test } from "vitest";
import { createClient, document, documents } from "../../src/client/mod.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { startGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const changed = document<
  { promptChanged: { cursor: string; kind: string; prompt: { name: string } | null } },
  { after?: string | null }
>("subscription ($after: Cursor) { promptChanged(after: $after) { cursor kind prompt { name } } }");

describe("the client's subscriptions and the real gateway", () => {
  const database = withTestDatabase();
  let key = "";

  beforeAll(async () => {
    const organization = await makeOrganization(database);
    key = await makeKey(database, organization, ["prompts:read", "prompts:write"]);
  });

  test("a restart of the gateway loses no change and doubles none", async () => {
    let gateway = await startGateway(database);
    const { url } = gateway;
    const client = createClient({ url, credential: key, retry: { baseMs: 10, maxMs: 100 } });
    const create = (name: string) =>
      client.run(documents.createPrompt, { prompt: { name, content: "Say hello" } });
    const events = client.subscribe(changed);
    const next = async () => {
      for (;;) {
        const { promptChanged } = (await events.next()).value!;
        if (promptChanged.kind !== "READY") return promptChanged;
      }
    };
    try {
      expect((await events.next()).value).toMatchObject({ promptChanged: { kind: "READY" } });
      await create("first");
      expect(await next()).toMatchObject({ kind: "INSERTED", prompt: { name: "first" } });
      await create("unread");
      const unread = next();
      await gateway.stop();
      const elsewhere = await startGateway(database);
      await createClient({ url: elsewhere.url, credential: key })
        .run(documents.createPrompt, { prompt: { name: "while away", content: "Say hello" } });
      await elsewhere.stop();
      gateway = await startGateway(database, { port: Number(new URL(url).port) });
      await create("last");
      expect([await unread, await next(), await next()].map(({ prompt }) => prompt?.name))
        .toEqual(["unread", "while away", "last"]);
    } finally {
      await events.return();
      await gateway.stop();
    }
  });

  test("it ends with the code when the key is revoked", async () => {
    const gateway = await startGateway(database);
    try {
      const client = createClient({ url: gateway.url, credential: key });
      const events = client.subscribe(changed);
      await events.next();
      await database.query("select app.api_key_revoke(id) from ops.api_key");
      await expect(events.next()).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    } finally {
      await gateway.stop();
    }
  });
});
