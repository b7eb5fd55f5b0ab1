import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const open = withGateway(database);
const strict = withGateway(database, { documentMode: "required" });
let key = "";
let folder = "";

const LIST = "query List { prompts { totalCount } }";
const UNREGISTERED = "query Other { prompts { totalCount } }";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "documents-"));
  key = await makeKey(database, await makeOrganization(database), ["prompts:read"]);
});
afterAll(() => rm(folder, { recursive: true }));

interface Registered {
  registered: number;
  unchanged: number;
  refused: { id: string; reason: string }[];
}

async function register(file: string, content: unknown, client = "web@1", code = 0) {
  const path = join(folder, file);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  const args = ["document", "register", path, "--client", client];
  return await cliJson<Registered>(args, { env: database.env }, code);
}

async function post(url: string, body: unknown) {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...await response.json() };
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const counted = { status: 200, data: { prompts: { totalCount: 0 } } };

test("what the tools of clients write is registered, and run by its id", async () => {
  expect(await post(open.url, { documentId: "list" })).toMatchObject({
    status: 404,
    errors: [{ extensions: { code: "NOT_FOUND" } }],
  });
  expect(await register("relay.json", { list: LIST }))
    .toEqual({ registered: 1, unchanged: 0, refused: [] });
  expect(await register("relay.json", { list: LIST }))
    .toEqual({ registered: 0, unchanged: 1, refused: [] });
  const named = "query Named($n: Int) { prompts(first: $n) { nodes { id } } }";
  await register("apollo.json", {
    format: "apollo-persisted-query-manifest",
    operations: [{ id: sha256(named), body: named }],
  });
  await register("query.graphql", "query G { prompts { totalCount } }");

  // It was asked for before, and is looked for again
  await eventually(async () => {
    expect(await post(open.url, { documentId: "list" })).toEqual(counted);
  });
  expect(await post(open.url, { doc_id: "list" })).toEqual(counted);
  const persisted = { extensions: { persistedQuery: { version: 1, sha256Hash: sha256(named) } } };
  expect(await post(open.url, { ...persisted, variables: { n: 1 } }))
    .toEqual({ status: 200, data: { prompts: { nodes: [] } } });
  expect(
    await post(open.url, {
      documentId: `sha256:${sha256("query G { prompts { totalCount } }")}`,
    }),
  ).toEqual(counted);
  const byGet = await fetch(`${open.url}/graphql?documentId=list`, {
    headers: { "x-api-key": key },
  });
  expect(await byGet.json()).toEqual({ data: { prompts: { totalCount: 0 } } });
});

test("a document that is not valid, or whose id is another's, is refused", async () => {
  await register("known.json", { taken: LIST });
  const documents = { taken: UNREGISTERED, bad: "{ nothing }", broken: "{", good: LIST };
  const { refused, ...counts } = await register("some.json", documents, "web@1", 1);
  expect(counts).toEqual({ registered: 1, unchanged: 0 });
  expect(refused.map(({ id }) => id).sort()).toEqual(["bad", "broken", "taken"]);
  await register("list.json", ["x"], "web@1", 1);
});

test("where registered documents are required, nothing else is run", async () => {
  await register("strict.json", { strict: LIST });
  expect(await post(open.url, { query: UNREGISTERED })).toEqual(counted);
  const refused = { status: 403, errors: [{ extensions: { code: "FORBIDDEN" } }] };
  expect(await post(strict.url, { query: UNREGISTERED })).toMatchObject(refused);
  expect(await post(strict.url, { query: "{ __schema { types { name } } }" }))
    .toMatchObject(refused);
  expect(await post(strict.url, { documentId: "strict" })).toEqual(counted);
  // The same text, for clients that send it in full
  expect(await post(strict.url, { query: LIST })).toEqual(counted);
  expect(await post(strict.url, { query: LIST, documentId: "anything" })).toEqual(counted);
});

test("ids are checked, and documents of a client removed", async () => {
  for (const documentId of ["", "a b", "x".repeat(200), 5]) {
    expect(await post(open.url, { documentId })).toMatchObject({ status: 400 });
  }
  await register("gone.json", { gone: LIST }, "old");
  const command = (args: string[], code = 0) =>
    cliJson<unknown>(["document", ...args], { env: database.env }, code);
  expect(await command(["list"])).toMatchObject({
    clients: expect.arrayContaining([expect.objectContaining({ client: "old", documents: 1 })]),
  });
  expect(await command(["remove", "--client", "old"])).toEqual({ client: "old", removed: 1 });
  expect(await post(open.url, { documentId: "gone" })).toMatchObject({ status: 404 });
  await command(["remove", "--client", "old"], 1);
});

test("where registered documents are required, the API's documentation is not shown", async () => {
  const refused = await fetch(`${strict.url}/docs`);
  expect(refused.status).toBe(403);
  expect((await refused.json()).errors[0].extensions.code).toBe("FORBIDDEN");
  const shown = await fetch(`${open.url}/docs`);
  expect(await shown.text()).toContain("recordAnalyses");
});
