import { expect, test } from "vitest";
import { createClient, CurestryError, document, documents } from "../../src/client/mod.ts";
import { answerError, answerJson, startFakeGateway } from "./fake_gateway.ts";

const viewer = { viewer: null };
const mutation = document("mutation { signOut(input: {}) { clientMutationId } }");

/** A client that notes how long it would have waited, and does not. */
function impatientClient(url: string, attempts = 5) {
  const waits: number[] = [];
  const client = createClient({
    url,
    credential: "cur_test",
    retry: { attempts, baseMs: 100, maxMs: 1_000 },
    pause: (ms) => Promise.resolve(void waits.push(ms)),
  });
  return { client, waits };
}

test("a query that the gateway puts off is sent again after as long as it says", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 1) answerError(response, "UNAVAILABLE", 503, { "retry-after": "7" });
    else if (number === 2) answerError(response, "LIMIT", 429, { "ratelimit-reset": "9" });
    else answerJson(response, { data: viewer });
  });
  const { client, waits } = impatientClient(gateway.url);
  expect(await client.run(documents.viewer)).toEqual(viewer);
  expect(gateway.requests).toHaveLength(3);
  expect(waits).toHaveLength(2);
  const [first = 0, second = 0] = waits;
  expect([first >= 7_000 && first <= 7_100, second >= 9_000 && second <= 9_200])
    .toEqual([true, true]);
});

test("a connection that breaks off, and a proxy's 502, are tried again; not for ever", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 1) response.destroy();
    else response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>");
  });
  const { client, waits } = impatientClient(gateway.url, 4);
  await expect(client.run(documents.viewer)).rejects.toMatchObject({
    code: "NETWORK",
    status: 502,
  });
  expect(gateway.requests).toHaveLength(4);
  expect(waits).toHaveLength(3);
});

test("a mutation whose effect nobody knows is not sent again, one that was not begun is", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 1) answerError(response, "LIMIT", 429, { "retry-after": "1" });
    else if (number === 2) answerError(response, "UNAVAILABLE", 503, { "retry-after": "1" });
    else response.destroy();
  });
  // What is counted is what the client does: a runtime's fetch may send again by itself what a kept
  // connection did not answer
  let sent = 0;
  const client = createClient({
    url: gateway.url,
    pause: () => Promise.resolve(),
    fetch: (...args) => {
      sent++;
      return fetch(...args);
    },
  });
  await expect(client.run(mutation)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(sent).toBe(2);
  await expect(client.run(mutation)).rejects.toMatchObject({ code: "NETWORK" });
  expect(sent).toBe(3);
});

test("a refusal is an error with what the API said, and is not sent again", async () => {
  await using gateway = await startFakeGateway((_, response) =>
    answerJson(
      response,
      {
        data: viewer,
        errors: [{
          message: "name is too long",
          extensions: { code: "INVALID", field: "name", constraint: "chk_name" },
        }],
      },
      200,
      { "x-request-id": "request-1" },
    )
  );
  const { client } = impatientClient(gateway.url);
  const error = await client.run(documents.viewer).catch((error) => error);
  expect(error).toBeInstanceOf(CurestryError);
  expect(error).toMatchObject({
    code: "INVALID",
    message: "name is too long",
    field: "name",
    constraint: "chk_name",
    requestId: "request-1",
    status: 200,
    data: viewer,
  });
  expect(gateway.requests).toHaveLength(1);
});

test("who gives up does so with the reason of the signal, also while waiting", async () => {
  const leave = new AbortController();
  await using gateway = await startFakeGateway((_, response) => {
    answerError(response, "UNAVAILABLE", 503, { "retry-after": "86400" });
    setTimeout(() => leave.abort(new Error("enough")), 0);
  });
  const client = createClient({ url: gateway.url });
  await expect(client.run(documents.viewer, {}, { signal: leave.signal })).rejects.toThrow(
    "enough",
  );
  await expect(client.run(documents.viewer, {}, { signal: leave.signal })).rejects.toThrow(
    "enough",
  );
  expect(gateway.requests).toHaveLength(1);
});

test("a gateway that says nothing is given up after the time-out", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 2) answerJson(response, { data: viewer });
  });
  const client = createClient({ url: gateway.url, timeoutMs: 300, retry: { baseMs: 1 } });
  expect(await client.run(documents.viewer)).toEqual(viewer);
});

test("a credential that is a function is asked for each request; the organization is named", async () => {
  await using gateway = await startFakeGateway((_, response) =>
    answerJson(response, { data: viewer })
  );
  let number = 0;
  const client = createClient({
    url: `${gateway.url}/`,
    credential: () => Promise.resolve(`token-${++number}`),
    organization: "studio",
  });
  await client.run(documents.viewer);
  await client.run(documents.viewer);
  expect(gateway.requests.map(({ headers }) => [
    headers.authorization,
    headers["x-curestry-organization"],
  ])).toEqual([["Bearer token-1", "studio"], ["Bearer token-2", "studio"]]);
});

test("a document knows what kind it is", () => {
  expect(document("# Says who\n\n{ viewer { name } }")).toMatchObject({
    kind: "query",
    repeatable: true,
  });
  expect(document("query A { a }").kind).toBe("query");
  expect(mutation).toMatchObject({ kind: "mutation", repeatable: false });
  expect(documents.recordAnalyses.repeatable).toBe(true);
  expect(() => document("fragment F on Prompt { id } query { a }")).toThrow(TypeError);
});
