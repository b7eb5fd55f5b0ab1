import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { closeAll, sendPiece } from "../helpers/raw_sockets.ts";
import { askForFile, importFile } from "./files.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const strict = withGateway(database, { maxImportBytes: 2_000, clientTimeoutMs: 500 });
const poor = withGateway(database, { rateLimit: { key: 150, organization: 150, recording: 150 } });
const csv = { "content-type": "text/csv" };
const jsonl = { "content-type": "application/jsonl" };

let ours: TestOrganization;
let key: string;
beforeAll(async () => {
  ours = await makeOrganization(database);
  key = await makeKey(database, ours, ["prompts:write", "analyses:write"]);
});

async function count(table: string, organization = ours): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select count(*)::int from ${table} where organization_id = $1`,
    [organization.id],
  );
  return row!.count;
}

describe("each line has its outcome", () => {
  test("prompts: bad ones are refused with their reason, the others imported, once", async () => {
    const body = Buffer.concat([
      Buffer.from('name,content\nGood,"a\nb"\nTwo,fields,more\nNo content,\nNUL,"a\0b"\nBytes,'),
      Buffer.from([0xff, 0x0a]),
      Buffer.from("Last,x\n"),
    ]);
    const { lines, last } = await importFile(gateway.url, "/import/prompts", {
      key,
      body,
      headers: csv,
    });
    expect(lines).toEqual([
      { line: 2, outcome: "inserted", id: expect.stringMatching(/^[\da-f-]{36}$/) },
      { line: 4, outcome: "refused", message: "has 3 fields, and the header has 2" },
      { line: 5, outcome: "refused", message: "content (or prompt, or text) is required" },
      { line: 6, outcome: "refused", message: expect.stringContaining("NUL") },
      { line: 7, outcome: "refused", message: "is not valid UTF-8" },
      { line: 8, outcome: "inserted", id: expect.anything() },
    ]);
    expect(last).toEqual({
      total: { read: 6, inserted: 2, unchanged: 0, refused: 4, dryRun: false },
    });
    const again = await importFile(gateway.url, "/import/prompts", { key, body, headers: csv });
    expect(again.last.total).toMatchObject({ inserted: 0, unchanged: 2, refused: 4 });
    expect(again.lines[0]).toEqual({ ...lines[0], outcome: "unchanged" });
    const refused = await importFile(gateway.url, "/import/prompts?outcomes=refused", {
      key,
      body,
      headers: csv,
    });
    expect(refused.lines.map(({ line }) => line)).toEqual([4, 5, 6, 7]);
  });

  test("elements of an array in one line are told apart", async () => {
    const { lines } = await importFile(gateway.url, "/import/prompts", {
      key,
      body: '[{"name":"E","content":"e"},{"name":"F"},{"name":"G","content":"a\\u0000"},7]',
      headers: { "content-type": "application/json" },
    });
    expect(lines).toMatchObject([
      { line: 1, item: 1, outcome: "inserted" },
      { line: 1, item: 2, outcome: "refused", message: expect.stringContaining("content") },
      { line: 1, item: 3, outcome: "refused", message: expect.stringContaining("NUL") },
      { line: 1, item: 4, outcome: "refused" },
    ]);
  });

  test("analyses, in JSON Lines and in an array", async () => {
    const items = [
      { idempotencyKey: "a1", promptContent: "one", status: "queued" },
      { idempotencyKey: "a2", promptContent: "two", status: "unheard of" },
      { idempotencyKey: "a3", promptContent: "half \ud800 of a pair" },
      { idempotencyKey: "a1", promptContent: "another content" },
    ];
    const body = `${items.map((item) => JSON.stringify(item)).join("\n")}\n{"promptContent":\n`;
    const { lines } = await importFile(gateway.url, "/import/analyses", {
      key,
      body,
      headers: jsonl,
    });
    expect(lines.map(({ line, outcome }) => [line, outcome])).toEqual([
      [1, "inserted"],
      [2, "refused"],
      [3, "refused"],
      [4, "refused"],
      [5, "refused"],
    ]);
    expect(lines[1]!.message).toContain("status must be queued, running");
    expect(lines[3]!.message).toContain("used before, for another content");
    const array = await importFile(gateway.url, "/import/analyses", {
      key,
      body: JSON.stringify(items.slice(0, 1)),
      headers: { "content-type": "application/json" },
    });
    expect(array.lines).toEqual([{ line: 1, item: 1, outcome: "unchanged", id: lines[0]!.id }]);
  });

  test("scores and metrics of analyses that are there already, once, in all formats", async () => {
    const judge = await makeKey(database, ours, [
      "analyses:read",
      "rubrics:read",
      "rubrics:write",
    ]);
    const { createJudgeRubric: { judgeRubric } } = await graphqlData<
      { createJudgeRubric: { judgeRubric: { id: string } } }
    >(gateway.url, {
      key: judge,
      query:
        `mutation { createJudgeRubric(input: { judgeRubric: { name: "Later" } }) { judgeRubric { id } } }`,
    });
    await graphqlData(gateway.url, {
      key: judge,
      query:
        `mutation ($id: UUID!) { createJudgeCriterion(input: { judgeCriterion: { rubricId: $id, key: "clarity", title: "Clarity" } }) { clientMutationId } }`,
      variables: { id: judgeRubric.id },
    });
    const { lines: [run] } = await importFile(gateway.url, "/import/analyses", {
      key,
      body: JSON.stringify({ idempotencyKey: "judged later", promptContent: "text" }),
      headers: jsonl,
    });
    const good = {
      idempotencyKey: "judged later",
      rubric: "Later",
      criterion: "clarity",
      score: 7.5,
    };
    const scores = [
      good,
      { ...good, idempotencyKey: undefined, analysisRunId: run!.id },
      { ...good, score: 3 },
      { ...good, criterion: "nothing" },
      { ...good, idempotencyKey: "nobody's" },
      { ...good, score: 11, criterion: "clarity" },
      { ...good, sore: 1 },
    ];
    const { lines } = await importFile(gateway.url, "/import/scores", {
      key,
      body: scores.map((line) => JSON.stringify(line)).join("\n"),
      headers: jsonl,
    });
    expect(lines.map(({ outcome }) => outcome))
      .toEqual(["inserted", "unchanged", ...Array.from({ length: 5 }, () => "refused")]);
    expect(lines.slice(2).map(({ message }) => message)).toEqual([
      "score: the analysis has another score by this criterion",
      "criterion: there is no criterion 'nothing' of a rubric 'Later'",
      "analysisRunId, or idempotencyKey, must name an analysis of this organization",
      expect.stringContaining("score must be from 0 to 10"),
      expect.stringContaining("sore: is no field of these"),
    ]);
    const exported = await fetch(`${gateway.url}/export/scores?format=csv&rubric=Later`, {
      headers: { authorization: `Bearer ${judge}` },
    });
    const again = await importFile(gateway.url, "/import/scores", {
      key,
      body: await exported.text(),
      headers: csv,
    });
    expect(again.last.total).toMatchObject({ read: 1, unchanged: 1 });

    const metrics = "idempotencyKey,key,valueNum,valueText,valueJson\n" +
      "judged later,tokens,12.50,,\njudged later,tokens,12.5,,\njudged later,tokens,13,,\n" +
      'judged later,model,,m1,\njudged later,trace,,,"{""steps"": 3}"\njudged later,none,,,\n';
    const measured = await importFile(gateway.url, "/import/metrics", {
      key,
      body: metrics,
      headers: csv,
    });
    expect(measured.lines.map(({ outcome }) => outcome))
      .toEqual(["inserted", "unchanged", "refused", "inserted", "inserted", "refused"]);
    expect(measured.lines[5]!.message).toContain(
      "one of valueNum, valueText and valueJson is required",
    );
    expect(
      await database.query(
        `select m.key, m.value_num::text, m.value_text, m.value_json, m.occurred_at = r.occurred_at as counts
           from ops.analysis_metric m join ops.analysis_run r on r.id = m.analysis_run_id
          where r.idempotency_key = 'judged later' order by m.key`,
      ),
    ).toEqual([
      { key: "model", value_num: null, value_text: "m1", value_json: null, counts: true },
      { key: "tokens", value_num: "12.5", value_text: null, value_json: null, counts: true },
      { key: "trace", value_num: null, value_text: null, value_json: { steps: 3 }, counts: true },
    ]);
  });

  test("scores and metrics go to the analysis, and the criterion, that a line names, and to nobody else's", async () => {
    const theirs = await makeOrganization(database);
    for (const { id } of [ours, theirs]) {
      await database.query(
        `with run as (
           insert into ops.analysis_run (organization_id, status, idempotency_key)
           select $1, 'queued', 'place ' || n from generate_series(1, 2) as n
         ), rubric as (
           insert into ops.judge_rubric (organization_id, name, version)
           values ($1, 'Place', 1), ($1, 'Place', 2), ($1, 'Elsewhere', 1) returning id
         )
         insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'c', 'C' from rubric`,
        [id],
      );
    }
    const [foreign] = await database.query<{ id: string }>(
      "select id from ops.analysis_run where organization_id = $1 and idempotency_key = 'place 1'",
      [theirs.id],
    );
    const send = async (kind: string, lines: unknown[]) => {
      const body = lines.map((line) => JSON.stringify(line)).join("\n");
      const found = await importFile(gateway.url, `/import/${kind}`, { key, body, headers: jsonl });
      return found.lines.map(({ outcome, message }) => message ?? outcome);
    };
    const place = { rubric: "Place", criterion: "c", score: 1 };
    const refused = "analysisRunId, or idempotencyKey, must name an analysis of this organization";
    expect(
      await send("scores", [
        { ...place, analysisRunId: foreign!.id },
        ["no object"],
        { ...place, idempotencyKey: "place 1" },
        { ...place, idempotencyKey: "place 1", rubricVersion: 1, score: 2 },
        { ...place, idempotencyKey: "place 2", score: 3 },
        { ...place, idempotencyKey: "place 2", rubric: "Elsewhere", score: 4 },
        { ...place, idempotencyKey: "place 2", score: 3 },
        { ...place, idempotencyKey: "place 1", score: 1 },
      ]),
    ).toEqual([
      refused,
      "is not an object",
      ...Array.from({ length: 4 }, () => "inserted"),
      "unchanged",
      "unchanged",
    ]);
    expect(
      await database.query(
        `select r.idempotency_key as run, j.name, j.version, s.score::float8 as score
           from ops.judge_score s join ops.analysis_run r on r.id = s.analysis_run_id
           join ops.judge_criterion c on c.id = s.criterion_id join ops.judge_rubric j on j.id = c.rubric_id
          where r.idempotency_key like 'place %' and s.organization_id = c.organization_id order by s.score`,
      ),
    ).toEqual([
      { run: "place 1", name: "Place", version: 2, score: 1 },
      { run: "place 1", name: "Place", version: 1, score: 2 },
      { run: "place 2", name: "Place", version: 2, score: 3 },
      { run: "place 2", name: "Elsewhere", version: 1, score: 4 },
    ]);
    expect(
      await send("metrics", [
        { analysisRunId: foreign!.id, key: "k", valueNum: 1 },
        { idempotencyKey: "place 1", key: "k", valueNum: 1 },
        { idempotencyKey: "place 2", key: "k", valueNum: 2 },
        { idempotencyKey: "place 2", key: "l", valueNum: 3 },
        { idempotencyKey: "place 2", key: "k", valueNum: 2 },
        { idempotencyKey: "place 1", key: "k", valueNum: 2 },
      ]),
    ).toEqual([
      refused,
      ...Array.from({ length: 3 }, () => "inserted"),
      "unchanged",
      "key: the analysis has another value under this key",
    ]);
  });

  test("a dry run says the same and changes nothing", async () => {
    const before = await count("core.prompts");
    const body = "name,content\nDry,run\nBad,\n";
    const { lines, last } = await importFile(gateway.url, "/import/prompts?dryRun=true", {
      key,
      body,
      headers: csv,
    });
    expect(lines.map(({ outcome }) => outcome)).toEqual(["inserted", "refused"]);
    expect(last.total.dryRun).toBe(true);
    expect(await count("core.prompts")).toBe(before);
  });

  test("what is imported is its sender's, and the log says which request it was", async () => {
    const body = "name,content\nLogged,yes\n";
    const { lines: [line] } = await importFile(gateway.url, "/import/prompts", {
      key,
      body,
      headers: { ...csv, "x-request-id": "import-of-today" },
    });
    const rows = await database.query(
      "select organization_id, request_id from ops.audit_log where entity_id = $1",
      [line!.id],
    );
    expect(rows).toEqual([{
      organization_id: ours.id,
      request_id: "import-of-today",
    }]);
  });
});

describe("an import is a stream", () => {
  /** Sends pieces over one connection, each when it is asked for. */
  function open(path: string, headers: Record<string, string> = jsonl) {
    const sent = request(`${gateway.url}${path}`, {
      method: "POST",
      headers: { ...headers, authorization: `Bearer ${key}` },
    });
    const answer = { status: 0, text: "", isWhole: false };
    sent.on("error", () => {});
    sent.on("response", (response) => {
      answer.status = response.statusCode ?? 0;
      response.setEncoding("utf8");
      response.on("data", (data) => answer.text += data);
      response.on("end", () => answer.isWhole = true);
      response.on("error", () => {});
    });
    return { sent, answer };
  }
  const lines = (from: number, to: number) =>
    Array.from(
      { length: to - from + 1 },
      (_, n) => `${JSON.stringify({ name: `stream ${from + n}`, content: "x" })}\n`,
    ).join("");

  test("lines have their outcomes while others are still to come", async () => {
    const { sent, answer } = open("/import/prompts");
    sent.write(lines(1, 1_100));
    await eventually(() => expect(answer.text.split("\n").length).toBeGreaterThan(500));
    expect(answer.text).not.toContain("total");
    sent.end(lines(1_101, 1_200));
    await eventually(() => expect(answer.isWhole).toBe(true));
    expect(answer.text.trimEnd().split("\n").at(-1)).toContain('"inserted":1200');
  });

  test("when the client leaves, what was taken is taken, and a second one does the rest", async () => {
    const other = await makeOrganization(database);
    const otherKey = await makeKey(database, other, ["prompts:write"]);
    const body = lines(1, 1_300);
    const { sent, answer } = open("/import/prompts", {
      ...jsonl,
      authorization: `Bearer ${otherKey}`,
      "content-length": String(body.length),
    });
    sent.setHeader("authorization", `Bearer ${otherKey}`);
    sent.write(body.slice(0, -100));
    await eventually(() => expect(answer.text.split("\n").length).toBeGreaterThan(900));
    sent.destroy();
    const { last } = await importFile(gateway.url, "/import/prompts", {
      key: otherKey,
      body,
      headers: jsonl,
    });
    expect(last.total.unchanged).toBeGreaterThanOrEqual(900);
    expect(last.total.inserted + last.total.unchanged).toBe(1_300);
    expect(await count("core.prompts", other)).toBe(1_300);
  });

  test("compressed by gzip it is the same, and what is no gzip is refused", async () => {
    const headers = { ...jsonl, "content-encoding": "gzip" };
    const { last } = await importFile(gateway.url, "/import/prompts", {
      key,
      body: gzipSync(lines(5_000, 5_100)),
      headers,
    });
    expect(last.total).toMatchObject({ read: 101, inserted: 101 });
    const bad = await askForFile(gateway.url, "/import/prompts", { key, body: "no gzip", headers });
    expect(bad.status).toBe(400);
    expect(await bad.text()).toContain("is not what gzip writes");
    const cut = gzipSync(lines(6_000, 6_002)).subarray(0, 40);
    const broken = await askForFile(gateway.url, "/import/prompts", { key, body: cut, headers });
    expect(await broken.text()).toContain("is not what gzip writes");
  });

  test("a client that sends nothing more is cut off", async () => {
    const head = "POST /import/prompts HTTP/1.1\r\nHost: here\r\nContent-Type: text/csv\r\n" +
      `Authorization: Bearer ${key}\r\nContent-Length: 100\r\n\r\nname,con`;
    const state = sendPiece(strict.url, head);
    await eventually(() => expect(state.closed).toBe(true));
    expect(state.received).toBe("");
    closeAll();
  });

  test("a key that is revoked meanwhile ends it, and the last line says where", async () => {
    const narrow = await makeKey(database, ours, ["prompts:write"]);
    const { sent, answer } = open("/import/prompts");
    sent.setHeader("authorization", `Bearer ${narrow}`);
    sent.write(lines(10_001, 10_600));
    await eventually(() => expect(answer.text.split("\n").length).toBeGreaterThan(500));
    await database.query(
      "select app.api_key_revoke(id) from ops.api_key where key_hash = encode(sha256($1), 'hex')",
      [Buffer.from(narrow)],
    );
    sent.end(lines(10_601, 10_700));
    await eventually(() => expect(answer.isWhole).toBe(true));
    expect(JSON.parse(answer.text.trimEnd().split("\n").at(-1)!)).toMatchObject({
      error: { code: "UNAUTHENTICATED", afterLine: 500 },
      total: { read: 500, inserted: 500 },
    });
  });
});

describe("an import is refused as a whole", () => {
  test("without the permission, which is named", async () => {
    for (const [kind, scope] of [["prompts", "prompts:write"], ["analyses", "analyses:write"]]) {
      const before = await count("core.prompts") + await count("ops.analysis_run");
      const narrow = await makeKey(database, ours, ["prompts:read", "analyses:read"]);
      const body = '{"name":"x","content":"y"}\n';
      const response = await askForFile(gateway.url, `/import/${kind}`, {
        key: narrow,
        body,
        headers: jsonl,
      });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain(scope);
      expect(await count("core.prompts") + await count("ops.analysis_run")).toBe(before);
    }
  });

  test.each([
    [
      "/import/marts",
      jsonl,
      "{}",
      404,
      "/import/prompts, /import/analyses, /import/scores, /import/metrics",
    ],
    ["/import/prompts", {}, "x", 415, "Content-Type: must be one of text/csv"],
    ["/import/analyses", csv, "x", 415, "Content-Type: must be one of application/json"],
    ["/import/prompts?format=xml", {}, "x", 400, "format: must be one of csv, jsonl, json"],
    ["/import/prompts?dryRun=yes", csv, "x", 400, "dryRun: must be false or true"],
    ["/import/prompts?dry=true", csv, "x", 400, "dry: is no parameter"],
    ["/import/prompts", csv, "name,name\nA,b\n", 400, 'two columns "name"'],
    ["/import/prompts", { ...csv, "content-encoding": "br" }, "x", 415, "must be gzip"],
  ])("%s with %j: %s", async (path, headers, body, status, rule) => {
    const response = await askForFile(gateway.url, path, {
      key,
      body: new TextEncoder().encode(body),
      headers: headers as Record<string, string>,
    });
    expect(response.status).toBe(status);
    expect((await response.json()).errors[0].message).toContain(rule);
  });

  test("by GET it is 405, and says how", async () => {
    const response = await askForFile(gateway.url, "/import/prompts", { key });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
    await response.body?.cancel();
  });

  test("when it is too large, said or not, zipped or not", async () => {
    const body = "name,content\n".padEnd(3_000, "x");
    const said = await askForFile(strict.url, "/import/prompts", { key, body, headers: csv });
    expect([said.status, await said.text()]).toEqual([413, expect.stringContaining("2000 bytes")]);
    const zipped = await askForFile(strict.url, "/import/prompts", {
      key,
      body: gzipSync(body),
      headers: { ...csv, "content-encoding": "gzip" },
    });
    expect([zipped.status, await zipped.text()]).toEqual([
      413,
      expect.stringContaining("2000 bytes"),
    ]);
  });

  test("when the budget is spent, with 429 and Retry-After", async () => {
    const other = await makeOrganization(database);
    const otherKey = await makeKey(database, other, ["prompts:write"]);
    const ask = () =>
      askForFile(poor.url, "/import/prompts", {
        key: otherKey,
        body: "name,content\nA,b\n",
        headers: csv,
      });
    const first = await ask();
    expect(first.status).toBe(200);
    expect(first.headers.get("ratelimit-limit")).toBe("150");
    await first.text();
    const second = await ask();
    expect(second.status).toBe(429);
    expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await second.json()).errors[0].extensions.code).toBe("LIMIT");
  });
});
