import { Buffer } from "node:buffer";
import { request as send } from "node:http";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { serverAudits } from "graphql-http";
import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

/** GraphQL over HTTP, compression, caches and browsers of other origins, as their standards have them. */

const database = withTestDatabase();
const app = "https://app.example.com";
const gateway = withGateway(database, { corsOrigins: [app] });
const open = withGateway(database, { corsOrigins: ["*"] });
const closed = withGateway(database);
let key = "";

beforeAll(async () => {
  const acme = await makeOrganization(database);
  key = await makeKey(database, acme, ["prompts:read", "prompts:write"]);
  await database.query(
    `insert into core.prompts (organization_id, name, content)
     select $1, 'Prompt ' || n, 'c' from generate_series(1, 60) as n`,
    [acme.id],
  );
});

/** Sends a request as it is: fetch would add headers and decompress. */
async function exchange(
  path: string,
  { method = "GET", headers = {}, body }: {
    method?: string;
    headers?: Record<string, string>;
    body?: string;
  } = {},
): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
  return await new Promise((resolve, reject) => {
    const request = send(gateway.url + path, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string>,
          body: Buffer.concat(chunks),
        }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const byKey = () => ({ authorization: `Bearer ${key}` });
const byGet = (query: string, more: Record<string, string> = {}) =>
  `/graphql?${new URLSearchParams({ query, ...more })}`;
const list = "{ prompts(first: 60) { totalCount nodes { id name } } }";
const post = (query: string) => ({ method: "POST", body: JSON.stringify({ query }) });
const json = { "content-type": "application/json" };

describe("the audits of graphql-http", () => {
  const audits = serverAudits({
    url: () => `${gateway.url}/graphql`,
    fetchFn: fetch,
  });
  test.each(audits.map((audit) => [`${audit.id} ${audit.name}`, audit] as const))(
    "%s",
    async (_name, audit) => {
      const result = await audit.fn();
      expect([result.status, result.status === "ok" ? "" : result.reason]).toEqual(["ok", ""]);
    },
  );
});

describe("queries by GET", () => {
  test("are answered as by POST, with variables and a name", async () => {
    const query =
      `query A($n: Int!) { prompts(first: $n) { nodes { name } } } query B { viewer { userId } }`;
    const { status, body } = await exchange(
      byGet(query, { operationName: "A", variables: '{"n": 2}' }),
      { headers: byKey() },
    );
    expect(status).toBe(200);
    expect(JSON.parse(body.toString()).data.prompts.nodes).toHaveLength(2);
  });

  test("take a key as X-API-Key; so do others", async () => {
    for (
      const request of [
        exchange(byGet(list), { headers: { "x-api-key": key } }),
        exchange("/graphql", { ...post(list), headers: { ...json, "x-api-key": key } }),
      ]
    ) {
      const { status, body } = await request;
      expect(status).toBe(200);
      expect(JSON.parse(body.toString()).data.prompts.totalCount).toBe(60);
    }
    const bad = await exchange(byGet(list), { headers: { "x-api-key": `${key}0` } });
    expect(bad.status).toBe(401);
  });

  test("cannot change anything", async () => {
    const query =
      `mutation { createPrompt(input: { prompt: { name: "by get", content: "c" } }) { prompt { id } } }`;
    const { status, headers } = await exchange(byGet(query), { headers: byKey() });
    expect([status, headers.allow]).toEqual([405, "POST"]);
    expect(await database.query("select from core.prompts where name = 'by get'")).toEqual([]);
    const byPost = await exchange("/graphql", { ...post(query), headers: { ...json, ...byKey() } });
    expect(JSON.parse(byPost.body.toString()).errors).toBeUndefined();
    await database.query("delete from core.prompts where name = 'by get'");
  });

  test.each([["variables", "{"], ["variables", "[]"], ["extensions", "x"]])(
    "with %s=%s are refused",
    async (name, value) => {
      const { status, body } = await exchange(byGet(list, { [name]: value }), {
        headers: byKey(),
      });
      expect(status).toBe(400);
      expect(JSON.parse(body.toString()).errors[0].message).toContain(name);
    },
  );

  test("without a query say what to send", async () => {
    const { status, body } = await exchange("/graphql", { headers: byKey() });
    expect(status).toBe(400);
    expect(JSON.parse(body.toString()).errors[0].message).toContain("?query=");
  });

  test("may be kept by their reader, and are asked for again", async () => {
    const first = await exchange(byGet(list), { headers: byKey() });
    expect(first.headers["cache-control"]).toBe("private, no-cache");
    expect(first.headers.vary).toContain("authorization");
    const again = { ...byKey(), "if-none-match": first.headers.etag ?? "" };
    const known = await exchange(byGet(list), { headers: again });
    expect([known.status, known.body.length]).toEqual([304, 0]);
    await database.query("update core.prompts set name = 'Other' where name = 'Prompt 1'");
    const changed = await exchange(byGet(list), { headers: again });
    expect(changed.status).toBe(200);
    await database.query("update core.prompts set name = 'Prompt 1' where name = 'Other'");
    const refused = await exchange(byGet(list), {
      headers: { "if-none-match": first.headers.etag ?? "" },
    });
    expect([refused.status, JSON.parse(refused.body.toString()).errors[0].extensions.code]).toEqual(
      [
        400,
        "UNAUTHENTICATED",
      ],
    );
  });
});

describe("compression", () => {
  const read = { gzip: gunzipSync, br: brotliDecompressSync };

  test.each([
    ["gzip", "gzip"],
    ["gzip, deflate, br", "br"],
    ["br;q=0.5, gzip;q=0.8", "gzip"],
    ["br;q=0, *", "gzip"],
    ["identity", undefined],
    ["gzip;q=0", undefined],
  ])("asked for as %s is %s", async (accepted, encoding) => {
    const headers = { ...json, ...byKey(), "accept-encoding": accepted };
    const { headers: answer, body } = await exchange("/graphql", { ...post(list), headers });
    expect(answer["content-encoding"]).toBe(encoding);
    const text = encoding === undefined ? body : read[encoding as keyof typeof read](body);
    expect(JSON.parse(text.toString()).data.prompts.totalCount).toBe(60);
    expect(Number(answer["content-length"])).toBe(body.length);
    if (encoding !== undefined) {
      expect(body.length).toBeLessThan(text.length / 2);
      expect(answer.vary).toContain("accept-encoding");
    }
  });

  test("is not for what is short; it is for pages, too", async () => {
    const headers = { ...json, ...byKey(), "accept-encoding": "gzip" };
    const short = await exchange("/graphql", { ...post("{ __typename }"), headers });
    expect(short.headers["content-encoding"]).toBeUndefined();
    const page = await exchange("/docs", { headers });
    expect(page.headers["content-encoding"]).toBe("gzip");
    expect(gunzipSync(page.body).toString()).toContain("<html");
  });
});

describe("browsers of other origins", () => {
  const ask = (url: string, origin: string, method: string) =>
    fetch(`${url}/graphql`, {
      method,
      headers: { origin, ...json },
      ...(method === "POST" ? { body: JSON.stringify({ query: "{ __typename }" }) } : {}),
    });

  test("may call from an origin of the setting, with our headers", async () => {
    for (const method of ["OPTIONS", "POST"]) {
      const { status, headers } = await ask(gateway.url, app, method);
      expect(status).toBe(method === "OPTIONS" ? 204 : 200);
      expect(headers.get("access-control-allow-origin")).toBe(app);
      expect(headers.get("vary")).toContain("origin");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
    }
    const { headers } = await ask(gateway.url, app, "OPTIONS");
    for (const name of ["authorization", "content-type", "x-curestry-organization", "x-api-key"]) {
      expect(headers.get("access-control-allow-headers")).toContain(name);
    }
    const { headers: shown } = await ask(gateway.url, app, "POST");
    expect(shown.get("access-control-expose-headers")).toContain("x-request-id");
    const health = await fetch(`${gateway.url}/health`, { headers: { origin: app } });
    expect(health.headers.get("access-control-allow-origin")).toBe(app);
    await health.body?.cancel();
  });

  test("may not from any other; from all, with *", async () => {
    for (
      const [url, origin, allowed] of [
        [gateway.url, "https://evil.example.com", null],
        [gateway.url, `${app}.evil.example.com`, null],
        [closed.url, app, null],
        [open.url, "https://evil.example.com", "*"],
      ] as const
    ) {
      for (const method of ["OPTIONS", "POST"]) {
        const { headers, body } = await ask(url, origin, method);
        await body?.cancel();
        expect([origin, headers.get("access-control-allow-origin")]).toEqual([origin, allowed]);
      }
    }
  });
});

test("/ says what this is, and where to go", async () => {
  const { status, headers, body } = await exchange("/");
  expect(status).toBe(200);
  expect(headers["content-type"]).toContain("text/html");
  const links = [...body.toString().matchAll(/href="([^"]+)"/g)].map(([, link]) => link);
  expect(links.length).toBeGreaterThan(3);
  for (const link of links) expect((await exchange(`/${link}`)).status).toBe(200);
});
