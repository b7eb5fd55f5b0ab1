import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";

const database = withTestDatabase();
const lines: string[] = [];
const gateway = withGateway(database, {
  log: pino({ level: "info" }, { write: () => {} }),
  writeRequestLine: (line) => void lines.push(line),
});

async function post(body: BodyInit, headers: Record<string, string> = {}) {
  const answer = await fetch(`${gateway.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, type: answer.headers.get("content-type"), text };
}

const viewer = JSON.stringify({ query: "{ viewer { userId } }" });

describe("the request id", () => {
  test.each([["/livez"], ["/no-such"], ["/graphql"], ["/ruru"], ["/health"]])(
    "is the caller's, or a new one, on every answer: %s",
    async (path) => {
      const own = await fetch(gateway.url + path, { headers: { "x-request-id": "abc-1.2:3" } });
      expect(own.headers.get("x-request-id")).toBe("abc-1.2:3");
      await own.body?.cancel();
      for (const bad of ["", "a b", "x".repeat(129), `"'><script>`, "é"]) {
        const other = await fetch(gateway.url + path, {
          headers: { "x-request-id": encodeHeader(bad) },
        });
        expect(other.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
        await other.body?.cancel();
      }
    },
  );

  test("is in the log line, and in the audit log of what was changed", async () => {
    lines.length = 0;
    const acme = await makeOrganization(database);
    const key = await makeKey(database, acme, ["prompts:write", "prompts:read"]);
    const { headers } = await graphql(gateway.url, {
      key,
      query:
        `mutation { createPrompt(input: { prompt: { name: "n", content: "c" } }) { prompt { id } } }`,
      headers: { "x-request-id": "audited-1" },
    });
    expect(headers.get("x-request-id")).toBe("audited-1");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{
      requestId: "audited-1",
      method: "POST",
      path: "/graphql",
      status: 200,
      credential: expect.stringMatching(/^key [0-9a-f]{32}$/),
    }]);
    expect(lines.join()).not.toContain(key);
    expect(
      await database.query(
        "select entity_type from ops.audit_log where request_id = 'audited-1' and organization_id = $1 order by seq",
        [acme.id],
      ),
    ).toEqual([{ entity_type: "core.prompt_versions" }, { entity_type: "core.prompts" }]);
  });

  test("is kept by the audit log as a digest where it would name the person or the system", async () => {
    const person = await makePerson(database, "request-id-anna@x.example");
    await database.query("update core.users set name = 'Anna Quill' where id = $1", [
      person.userId,
    ]);
    const idOf = async (requestId: string, name: string) => {
      await graphqlData(gateway.url, {
        token: person.token,
        query: `mutation ($name: String!) {
          createPrompt(input: { prompt: { name: $name, content: "c" } }) { prompt { id } } }`,
        variables: { name },
        headers: { "x-request-id": requestId },
      });
      const [row] = await database.query<{ request_id: string }>(
        "select request_id from ops.audit_log where entity_type = 'core.prompts' and after_state ->> 'name' = $1",
        [name],
      );
      return row?.request_id;
    };
    expect(await idOf("trace-17", "plain")).toBe("trace-17");
    for (const [n, requestId] of ["request-id-anna@x.example", "for-QUILL-1"].entries()) {
      expect(await idOf(requestId, `n${n}`)).toMatch(/^id-[0-9a-f]{64}$/);
    }
    // The gateway takes another id in place of a word of the system's own
    expect(await idOf("migration", "n2")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

function encodeHeader(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

describe("the body of a request", () => {
  test.each([
    ["", 400, "INVALID"],
    ["{", 400, "INVALID"],
    ["null", 400, "INVALID"],
    ["{}", 400, "INVALID"],
    [`{"query": 1}`, 400, "INVALID"],
    [`{"query": "{ __typename }", "variables": []}`, 400, "INVALID"],
    [`{"query": "{ __typename }", "variables": "x"}`, 400, "INVALID"],
    [`{"query": "{ __typename }", "operationName": 1}`, 400, "INVALID"],
    [`{"query": "{ __typename }", "extensions": 1}`, 400, "INVALID"],
    [`[${viewer}]`, 400, "LIMIT"],
    [`{"query": "{ __typename }", "variables": {"a": "\\ud800"}}`, 400, "INVALID"],
  ])("%s is refused with %i", async (body, status, code) => {
    const answer = await post(body);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ errors: [{ extensions: { code } }] });
  });

  test("bytes that are no UTF-8 are refused, and not stored as something else", async () => {
    const bytes = new Uint8Array([
      ...new TextEncoder().encode(`{"query": "{ viewer }`),
      0xff,
      0x22,
      0x7d,
    ]);
    expect((await post(bytes)).status).toBe(400);
  });

  test("more than 2 MiB are refused, announced or not", async () => {
    const large = JSON.stringify({
      query: "{ __typename }",
      variables: { a: "x".repeat(2 ** 21) },
    });
    const announced = await post(large);
    expect(announced.status).toBe(413);
    expect(JSON.parse(announced.text)).toMatchObject({
      errors: [{ extensions: { code: "LIMIT" } }],
    });
    const unannounced = await post(
      new ReadableStream({
        start(controller) {
          for (let n = 0; n < 30; n++) {
            controller.enqueue(new TextEncoder().encode("x".repeat(100_000)));
          }
          controller.close();
        },
      }),
    );
    expect(unannounced.status).toBe(413);
  });

  test.each([
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["multipart/form-data; boundary=x", 415],
    ["application/json; charset=utf-8", 200],
    ["Application/JSON", 200],
  ])("as %s is answered with %i", async (type, status) => {
    expect((await post(viewer, { "content-type": type })).status).toBe(status);
  });
});

test.each([
  ["application/json", "application/json;charset=utf-8", 200, 200],
  [
    "application/graphql-response+json",
    "application/graphql-response+json;charset=utf-8",
    200,
    400,
  ],
  ["*/*", "application/json;charset=utf-8", 200, 400],
  ["image/png", "application/json", 406, 406],
])("the answer to Accept: %s is %s", async (accept, type, status, statusOfInvalid) => {
  expect(await post(viewer, { accept })).toMatchObject({ status, type });
  expect(await post(`{"query": "{ __typename"}`, { accept })).toMatchObject({
    status: statusOfInvalid,
  });
});

test("a process manager is told that the gateway lives and is ready", async () => {
  for (const path of ["/livez", "/readyz"]) {
    expect((await fetch(gateway.url + path)).status).toBe(200);
  }
});

test("the health report is the specification's, and more", async () => {
  const answer = await fetch(`${gateway.url}/health`);
  expect(answer.status).toBe(200);
  const report = await answer.json();
  expect(report).toMatchObject({ status: "healthy", recent_analyses_24h: 0 });
  expect(Math.abs(Date.parse(report.timestamp) - Date.now())).toBeLessThan(60_000);
});

test("the health report of a database that fails says no more than that", async () => {
  await database.query("alter function app.health() rename to health_aside");
  try {
    const answer = await fetch(`${gateway.url}/health`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ status: "unhealthy", timestamp: expect.any(String) });
  } finally {
    await database.query("alter function app.health_aside() rename to health");
  }
});

test.each(["PUT", "DELETE", "OPTIONS"])(
  "%s /graphql is a 405 that says what is allowed",
  async (method) => {
    const answer = await fetch(`${gateway.url}/graphql`, { method });
    expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, POST"]);
    await answer.body?.cancel();
  },
);

test.each([["GET", "/no-such"], ["POST", "/livez"], [
  "GET",
  "/../etc/passwd",
]])(
  "%s %s is a 404 in JSON",
  async (method, path) => {
    const answer = await fetch(gateway.url + path, { method });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ error: "not found" });
  },
);

test("the explorer comes from here, with all it loads", async () => {
  for (const [path, accept] of [["/ruru", "*/*"], ["/graphql", "text/html,*/*;q=0.1"]] as const) {
    const page = await fetch(gateway.url + path, { headers: { accept } });
    expect([page.status, page.headers.get("content-type")])
      .toEqual([200, "text/html; charset=utf-8"]);
    expect(page.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    const html = await page.text();
    expect(html.match(/(src|href)="https?:/g)).toBe(null);
    const files = [...html.matchAll(/(?:src|href)="((?:ruru-static|pages)\/[^"]+)"/g)];
    expect(files.length).toBeGreaterThan(3);
    for (const [, name] of files) {
      const file = `/${name}`;
      const answer = await fetch(gateway.url + file);
      expect([file, answer.status]).toEqual([file, 200]);
      const etag = answer.headers.get("etag");
      await answer.body?.cancel();
      if (etag === null) continue;
      const again = await fetch(gateway.url + file, { headers: { "if-none-match": etag } });
      expect([file, again.status]).toEqual([file, 304]);
    }
  }
});
