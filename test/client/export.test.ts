import { describe, expect, test } from "vitest";
import { createClient, documents } from "../../src/client/mod.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

describe("the client's exports", () => {
  const database = withTestDatabase();
  const gateway = withGateway(database);

  test("a table comes as a stream; what is refused is an error with its code", async () => {
    const organization = await makeOrganization(database);
    const credential = await makeKey(database, organization, ["prompts:read", "prompts:write"]);
    const client = createClient({ url: gateway.url, credential });
    for (const name of ["Greeting", "Farewell"]) {
      await client.run(documents.createPrompt, { prompt: { name, content: "Say it" } });
    }
    await expect(client.export("analyses")).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(client.export("prompts", { format: "pdf" })).rejects.toMatchObject({
      code: "INVALID",
      status: 400,
    });
    const file = await client.export("prompts", { format: "jsonl" });
    const lines = (await new Response(file).text()).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).name)).toEqual(["Greeting", "Farewell"]);
  });
});
