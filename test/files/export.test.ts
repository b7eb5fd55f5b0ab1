import { parquetReadObjects } from "hyparquet";
import { parse } from "csv-parse/sync";
import { beforeAll, describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { recordAnalyses, RESULT } from "../helpers/graphql_analyses.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson } from "../helpers/token.ts";
import { askForFile, exportFile, fillMetrics, readLines } from "./files.ts";

const database = withTestDatabase();
const gateway = withGateway(database, { corsOrigins: ["https://app.example"] });
const readAll = ["prompts:read", "analyses:read", "rubrics:read", "marts:read"];

let ours: TestOrganization;
let theirs: TestOrganization;
let key: string;
let theirKey: string;

/** Two days of analyses, with all that belongs to one. */
async function fill(organization: TestOrganization, name: string): Promise<void> {
  const writer = await makeKey(database, organization, [
    ...["prompts:read", "prompts:write", "analyses:read", "analyses:write"],
    ...["rubrics:read", "rubrics:write"],
  ]);
  const { createPrompt: { prompt } } = await graphqlData<
    { createPrompt: { prompt: { id: string } } }
  >(
    gateway.url,
    {
      key: writer,
      query: `mutation ($name: String!) {
        createPrompt(input: { prompt: { name: $name, content: "=1+1, \\"quoted\\"\\nand more", tags: ["t"] } }) {
          prompt { id }
        }
      }`,
      variables: { name },
    },
  );
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'quality') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'clarity', 'C' from r`,
    [organization.id],
  );
  const outcomes = await recordAnalyses(gateway.url, writer, [
    {
      promptId: prompt.id,
      startedAt: "2026-01-01T10:00:00Z",
      finishedAt: "2026-01-01T10:00:01.123456Z",
      result: RESULT,
      metrics: [{ key: "latency", valueNum: "0.1234567890123456789" }, {
        key: "model",
        valueText: name,
      }],
      nodeResults: [{ node: "entropy", status: "ok" }],
      scores: [{ rubric: "quality", criterion: "clarity", score: "7.25", comment: "good" }],
    },
    { promptContent: name, status: "failed", finishedAt: "2026-01-02T10:00:00Z" },
  ]);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(["inserted", "inserted"]);
}

beforeAll(async () => {
  ours = await makeOrganization(database);
  theirs = await makeOrganization(database);
  await fill(ours, "ours");
  await fill(theirs, "theirs");
  await database.query("select app.mart_refresh_all()");
  key = await makeKey(database, ours, readAll);
  theirKey = await makeKey(database, theirs, readAll);
});

const files = [
  "prompts",
  "analyses",
  "scores",
  "metrics",
  "marts",
  "marts?mart=analysis_daily_by",
  "marts?mart=analysis_hourly",
  "marts?mart=feature_daily",
  "marts?mart=metric_timeseries",
].map((path) => [path, `/export/${path}${path.includes("?") ? "&" : "?"}`] as const);

describe.each(files)("the export of %s", (_name, path) => {
  test("is the same in all formats, and has no row of another organization", async () => {
    const parsed = parse(await exportFile(gateway.url, path, { key }), {
      columns: true,
    }) as Record<string, string>[];
    expect(parsed.length).toBeGreaterThan(0);
    const id = Object.keys(parsed[0]!)[0]!;
    const lines = readLines(await exportFile(gateway.url, `${path}format=jsonl`, { key }));
    expect(lines.map((line) => line[id])).toEqual(parsed.map((row) => row[id]));
    const response = await askForFile(gateway.url, `${path}format=parquet`, { key });
    expect(response.headers.get("content-type")).toBe("application/vnd.apache.parquet");
    const rows = await parquetReadObjects({ file: await response.arrayBuffer() });
    expect(rows.map((row) => Object.keys(row))).toEqual(parsed.map((row) => Object.keys(row)));
    for (const [n, row] of rows.entries()) {
      for (const [name, value] of Object.entries(row)) {
        expect(asText(value, parsed[n]![name]!), `${name} of row ${n}`).toBe(parsed[n]![name]);
      }
    }
    const other = readLines(
      await exportFile(gateway.url, `${path}format=jsonl`, { key: theirKey }),
    );
    expect(other.length).toBeGreaterThan(0);
    const ids = new Set(lines.map((line) => line[id]));
    expect(other.filter((line) => ids.has(line[id]))).toEqual([]);
  });

  test("goes on after any row", async () => {
    const whole = await exportFile(gateway.url, `${path}format=jsonl`, { key });
    const rows = readLines(whole);
    const id = Object.keys(rows[0]!)[0]!;
    for (const [n, row] of rows.entries()) {
      const rest = await exportFile(gateway.url, `${path}format=jsonl&after=${row[id]}`, { key });
      expect(readLines(rest)).toEqual(rows.slice(n + 1));
    }
    const [first] = readLines(
      await exportFile(gateway.url, `${path}format=jsonl&limit=1`, { key }),
    );
    expect(first).toEqual(rows[0]);
    // A row of another organization is none
    const [other] = readLines(
      await exportFile(gateway.url, `${path}format=jsonl`, { key: theirKey }),
    );
    const refused = await askForFile(gateway.url, `${path}after=${other![id]}`, { key });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("after: there is no such row");
  });
});

/** A value of Parquet as CSV has it; numbers that a double does not hold are compared as doubles. */
function asText(value: unknown, csv: string): string {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) {
    const iso = value.toISOString();
    // The reader has milliseconds, the file microseconds
    return csv.length === 10 ? iso.slice(0, 10) : iso.slice(0, 23) + csv.slice(23);
  }
  if (typeof value === "number") return Number(csv) === value ? csv : String(value);
  return String(value);
}

test("rows are chosen by time and by what they are", async () => {
  const count = async (path: string) =>
    readLines(await exportFile(gateway.url, `${path}&format=jsonl`, { key })).length;
  expect(await count("/export/analyses?from=2026-01-01&to=2026-01-02")).toBe(1);
  expect(await count("/export/analyses?from=2026-01-02T12:00:00%2B02:00")).toBe(1);
  expect(await count("/export/analyses?from=2026-01-02T12:00:00.000001%2B02:00")).toBe(0);
  expect(await count("/export/analyses?status=failed")).toBe(1);
  expect(await count("/export/metrics?key=latency")).toBe(1);
  expect(await count("/export/scores?rubric=quality&criterion=clarity")).toBe(1);
  expect(await count("/export/scores?rubric=other")).toBe(0);
  expect(await count("/export/prompts?tag=t")).toBe(1);
  expect(await count("/export/prompts?tag=other")).toBe(0);
  expect(await count("/export/marts?mart=analysis_daily&to=2026-01-02")).toBe(1);
  expect(await count("/export/marts?mart=metric_timeseries&granularity=day&source=judge")).toBe(1);
});

test("numbers have all of their digits in CSV and JSON Lines", async () => {
  for (const format of ["csv", "jsonl"]) {
    const file = await exportFile(gateway.url, `/export/metrics?key=latency&format=${format}`, {
      key,
    });
    expect(file).toContain("0.1234567890123456789");
  }
});

test("cells that a spreadsheet would calculate are as they are, unless one asks for a spreadsheet", async () => {
  const csv = await exportFile(gateway.url, "/export/prompts", { key });
  expect(csv).toContain(',"=1+1, ""quoted""\nand more",');
  const safe = await exportFile(gateway.url, "/export/prompts?spreadsheet=true", { key });
  expect(safe).toContain(`,"'=1+1, ""quoted""\nand more",`);
});

describe("who may not", () => {
  test.each([
    ["prompts", "prompts:read"],
    ["analyses", "analyses:read"],
    ["analyses?format=jsonl", "analyses:read"],
    ["analyses?format=jsonl", "prompts:read"],
    ["analyses?format=jsonl", "rubrics:read"],
    ["scores", "analyses:read"],
    ["scores", "rubrics:read"],
    ["metrics", "analyses:read"],
    ["marts", "marts:read"],
  ])("%s without %s is refused, and names it", async (path, missing) => {
    const scopes = readAll.filter((scope) => scope !== missing);
    const narrow = await makeKey(database, ours, scopes);
    const response = await askForFile(gateway.url, `/export/${path}`, { key: narrow });
    expect(response.status).toBe(403);
    const { errors: [error] } = await response.json();
    expect(error).toMatchObject({ extensions: { code: "FORBIDDEN" } });
    expect(error.message).toContain(missing);
  });

  test("without credentials, and with bad ones, it is 401", async () => {
    for (const bad of [{}, { key: "cur_x" }, { key: `${key.slice(0, -1)}x` }]) {
      const response = await askForFile(gateway.url, "/export/prompts", bad);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect((await response.json()).errors[0].extensions.code).toBe("UNAUTHENTICATED");
    }
  });

  test("a member reads with a session and the name of the organization, others do not", async () => {
    const person = await makePerson(database, ours.ownerEmail);
    const asked = { token: person.token, organization: ours.slug };
    expect(await exportFile(gateway.url, "/export/prompts", asked)).toContain("ours");
    const stranger = await makePerson(database);
    const refused = await askForFile(gateway.url, "/export/prompts", {
      ...asked,
      token: stranger.token,
    });
    expect(refused.status).toBe(403);
  });
});

describe("what is wrong is refused, with its rule", () => {
  test.each([
    ["format=xml", "format: must be csv, jsonl or parquet"],
    ["from=yesterday", "from: must be a time as in RFC 3339"],
    ["from=2026-02-30", "from: must be a time"],
    ["from=2026-01-01T00:00:00", "from: must be a time"],
    ["from=2026-01-01T00:00:00+02:00", "a + in an address is written %2B"],
    ["status=done", "status: must be queued, running"],
    ["after=1", "after: must be the id"],
    ["limit=0", "limit: must be a whole number from 1"],
    ["colour=red", "colour: is no parameter"],
    ["status=failed&status=queued", "status: may be given once"],
    ["prompt=%00", "prompt: has a character"],
    ["prompt=%ff", "prompt: has a character"],
    ["spreadsheet=yes", "spreadsheet: must be false or true"],
  ])("%s", async (parameter, rule) => {
    const response = await askForFile(gateway.url, `/export/analyses?${parameter}`, { key });
    expect(response.status).toBe(400);
    const { errors: [error] } = await response.json();
    expect(error.message).toContain(rule);
    expect(error.extensions.code).toBe("INVALID");
  });

  test("a kind or a mart that there is not lists those that there are", async () => {
    for (const kind of ["users", "", "constructor", "prompts/x"]) {
      const response = await askForFile(gateway.url, `/export/${kind}`, { key });
      expect(response.status).toBe(404);
      expect(await response.text()).toContain("/export/prompts, /export/analyses, /export/scores");
    }
    const mart = await askForFile(gateway.url, "/export/marts?mart=daily", { key });
    expect(mart.status).toBe(400);
    expect(await mart.text()).toContain("mart: must be analysis_daily, analysis_daily_by");
  });

  test("other methods are 405 and say which there are; HEAD has no body", async () => {
    const deleted = await askForFile(gateway.url, "/export/prompts", { key, method: "DELETE" });
    expect(deleted.status).toBe(405);
    expect(deleted.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    await deleted.body?.cancel();
    const asked = await askForFile(gateway.url, "/export/prompts", { method: "OPTIONS" });
    expect([asked.status, asked.headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS"]);
    const head = await askForFile(gateway.url, "/export/prompts", { key, method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
});

test("an export has the headers of a download, of every answer, and for browsers of other origins", async () => {
  const response = await askForFile(gateway.url, "/export/prompts", {
    key,
    headers: { "x-request-id": "an-export", origin: "https://app.example" },
  });
  await response.text();
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/csv;charset=utf-8;header=present",
    "content-disposition": 'attachment; filename="prompts.csv"',
    "cache-control": "no-store",
    "x-request-id": "an-export",
    "x-content-type-options": "nosniff",
    "access-control-allow-origin": "https://app.example",
  });
});

test.each(["gzip", "br"])(
  "text is compressed by %s where that is accepted, Parquet is not",
  async (encoding) => {
    const headers = { "accept-encoding": encoding };
    const plain = { "accept-encoding": "identity" };
    const csv = await askForFile(gateway.url, "/export/metrics", { key, headers });
    expect(csv.headers.get("vary")).toContain("accept-encoding");
    expect(await csv.text()).toBe(
      await exportFile(gateway.url, "/export/metrics", { key, headers: plain }),
    );
    const parquet = await askForFile(gateway.url, "/export/metrics?format=parquet", {
      key,
      headers,
    });
    expect(parquet.headers.get("content-encoding")).toBe(null);
    await parquet.body?.cancel();
  },
);

test("rows that are many and long come once each, in order", async () => {
  const many = await makeOrganization(database);
  const reader = await makeKey(database, many, ["analyses:read"]);
  await fillMetrics(database, many, 7_000);
  await fillMetrics(database, many, 9, "ü".repeat(500_000));
  const expected = await database.query<{ id: string }>(
    "select id from ops.analysis_metric where organization_id = $1 order by occurred_at, id",
    [many.id],
  );
  const rows = readLines(
    await exportFile(gateway.url, "/export/metrics?format=jsonl", { key: reader }),
  );
  expect(rows.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
  const limited = readLines(
    await exportFile(gateway.url, "/export/metrics?format=jsonl&limit=6543", { key: reader }),
  );
  expect(limited).toEqual(rows.slice(0, 6_543));
  const parquet = await askForFile(gateway.url, "/export/metrics?format=parquet", { key: reader });
  const read = await parquetReadObjects({ file: await parquet.arrayBuffer() });
  expect(read.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
});
