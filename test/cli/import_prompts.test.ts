import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ImportSummary } from "../../src/cli/import/import_records.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const { env } = database;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "curestry-import-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function writeTo(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function countPrompts(organizationId: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    "select count(*)::int as count from core.prompts where organization_id = $1",
    [organizationId],
  );
  return row?.count ?? 0;
}

/** 450 records: more than one call; five of them cannot be imported, each for another reason. */
function makeFile(): string {
  const lines = Array.from(
    { length: 450 },
    (_, n) => JSON.stringify({ name: `Prompt ${n + 1}`, content: `Content ${n + 1}`, n }),
  );
  lines[9] = '{"name": "Broken"';
  lines[19] = JSON.stringify({ name: "No content" });
  lines[219] = JSON.stringify({ name: "NUL", content: "a\u0000b" });
  lines[229] = '{"name": "Half", "content": "\\ud83d"}';
  lines[239] = JSON.stringify({ name: "Language", content: "c", language: "?" });
  return lines.join("\n");
}

test("a dry run says what would be done and changes nothing; a second run changes nothing either", async () => {
  const { id, slug } = await makeOrganization(database);
  const file = await writeTo("prompts.jsonl", makeFile());
  const args = ["import", "prompts", file, "--organization", slug];

  const dry = await cliJson<ImportSummary>([...args, "--dry-run"], { env });
  expect(dry).toMatchObject({ dryRun: true, read: 450, inserted: 445, unchanged: 0 });
  expect(await countPrompts(id)).toBe(0);

  const first = await cliJson<ImportSummary>(args, { env });
  expect({ ...first, dryRun: true }).toEqual(dry);
  expect(first.refused.map(({ line }) => line)).toEqual([10, 20, 220, 230, 240]);
  expect(first.refused.map(({ reason }) => reason)).toEqual([
    "is not valid JSON: Expected ',' or '}' after property value at character 18",
    "content (or prompt, or text) is required",
    "has the character NUL (\\u0000), which PostgreSQL cannot hold",
    expect.stringContaining("surrogate"),
    "language must be a language code such as en or pt-BR, or auto",
  ]);
  expect(await countPrompts(id)).toBe(445);

  const second = await cliJson<ImportSummary>(args, { env });
  expect(second).toMatchObject({ read: 450, inserted: 0, unchanged: 445 });
  expect(await countPrompts(id)).toBe(445);
});

test("a prompt is the same with name, content and organization alone", async () => {
  const [one, other] = [await makeOrganization(database), await makeOrganization(database)];
  const run = async (slug: string, records: object[]) => {
    const { inserted, unchanged } = await cliJson<ImportSummary>(
      ["import", "prompts", "-", "--organization", slug],
      { env, stdin: JSON.stringify(records) },
    );
    return { inserted, unchanged };
  };
  const same = { name: "n", content: "c" };
  expect(await run(other.slug, [same])).toEqual({ inserted: 1, unchanged: 0 });
  expect(await run(one.slug, [same, { ...same, name: "m" }, { ...same, content: "d" }, same]))
    .toEqual({ inserted: 3, unchanged: 1 });
});

test("what is longer than it may be, or no list, is refused; what is as long as it may be is not", async () => {
  const { id, slug } = await makeOrganization(database);
  const records = [
    { name: "n".repeat(256), content: "c" },
    { name: "n".repeat(255), content: "c" },
    { name: "n", content: "c", language: "en-longer-x" },
    { name: "n", content: "c", language: "zh-Hant-TW" },
    { name: "n", content: "d", tags: "a" },
    { name: "n", content: "e", category: "" },
    "c",
  ];
  const { inserted, refused } = await cliJson<ImportSummary>(
    ["import", "prompts", "-", "--organization", slug],
    { env, stdin: records.map((record) => JSON.stringify(record)).join("\n") },
  );
  expect(inserted).toBe(3);
  expect(refused).toEqual([
    { line: 1, reason: "name must be at most 255 characters" },
    { line: 3, reason: "language must be at most 10 characters" },
    { line: 5, reason: "tags must be an array of strings" },
    { line: 7, reason: "is not an object" },
  ]);
  expect(
    await database.query(
      "select count(*)::int as n from core.prompts where organization_id = $1 and tags = '[]'",
      [id],
    ),
  ).toEqual([{ n: 3 }]);
});

test("what prompt collections call their fields is understood, and other fields are kept", async () => {
  const { id, slug } = await makeOrganization(database);
  const args = ["import", "prompts", "-", "--organization", slug];
  await cli(args, { env, stdin: "act,prompt,for_devs\r\nGuide,Lead me,TRUE\r\n" });
  await cli(args, { env, stdin: '{"question_id": 7, "text": "Why?", "category": "math"}' });
  await cli(args, {
    env,
    stdin: '[{"title": "T", "content": "c", "tags": ["a"], "description": "d", "language": "en"}]',
  });
  expect(
    await database.query(
      `select name, content, description, language, tags, extra_metadata from core.prompts
        where organization_id = $1 order by content`,
      [id],
    ),
  ).toEqual([
    {
      ...{ name: "Guide", content: "Lead me", description: null, language: "auto", tags: [] },
      extra_metadata: { for_devs: "TRUE" },
    },
    {
      ...{ name: "Why?", content: "Why?", description: null, language: "auto", tags: ["math"] },
      extra_metadata: { question_id: 7 },
    },
    {
      ...{ name: "T", content: "c", description: "d", language: "en", tags: ["a"] },
      extra_metadata: {},
    },
  ]);
});

test("a file of which nothing can be imported is a failure, and one without records is none", async () => {
  const { slug } = await makeOrganization(database);
  const args = ["import", "prompts", "-", "--organization", slug];
  const { code, stdout } = await cli(args, { env, stdin: "x,y\n1,2\n" });
  expect(code).toBe(1);
  expect(stdout).toContain("line 2: content (or prompt, or text) is required");
  expect(await cliJson(args, { env, stdin: "" })).toMatchObject({ read: 0, refused: [] });
  expect((await cli(args, { env, stdin: "" })).stdout)
    .toContain("standard input is empty: there are no prompts in it to import");
});

test("of an array in one line, the element that was refused is named", async () => {
  const { slug } = await makeOrganization(database);
  const args = ["import", "prompts", "-", "--organization", slug];
  const stdin = '[{"name":"A","content":"a"},{"name":"B"},{"name":"C","content":"c"}]';
  const { code, stdout } = await cli(args, { env, stdin });
  expect(code).toBe(0);
  expect(stdout).toContain("2 inserted, 0 unchanged, 1 refused");
  expect(stdout).toContain("line 1, item 2: content (or prompt, or text) is required");
});

test("a file that is not there, and an organization that is not, are named", async () => {
  const { slug } = await makeOrganization(database);
  const missing = join(folder, "missing.csv");
  const noFile = await cli(["import", "prompts", missing, "--organization", slug], { env });
  expect(noFile.code).toBe(1);
  expect(noFile.stderr).toContain(`There is no file ${missing}`);
  const noOrganization = await cli(
    ["import", "prompts", "-", "--organization", "nowhere"],
    { env, stdin: "name,content\nA,a\n" },
  );
  expect(noOrganization.code).toBe(1);
  expect(noOrganization.stderr).toContain("There is no organization with the slug 'nowhere'");
});

test.skipIf(process.platform === "win32")(
  "a device is refused, and standard input is named instead",
  async () => {
    const { slug } = await makeOrganization(database);
    const stdin = `${JSON.stringify({ name: "Piped", content: "a" })}\n`;
    const run = (file: string) =>
      cli(["import", "prompts", file, "--organization", slug], { env, stdin });
    const { code, stderr } = await run("/dev/stdin");
    expect(code).toBe(1);
    expect(stderr).toContain("/dev/stdin is a device or a pipe");
    expect(stderr).toContain("name - instead");
    expect((await run("-")).stdout).toContain("1 inserted");
  },
);
