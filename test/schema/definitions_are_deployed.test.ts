import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { dumpSchema } from "../../src/develop/dump_schema.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { withTestDatabase } from "../helpers/database.ts";

const database = withTestDatabase();
const SQL = join(repositoryRoot, "sql");
const INCLUDE = /^--!include (\S+\.sql)$/;

async function allLines(): Promise<string[]> {
  return (await readFile(join(SQL, "all.sql"), "utf8")).split("\n").filter((line) => line !== "");
}

test("sql/ holds what is deployed: running all of it again changes nothing", async () => {
  const before = await dumpSchema(database.adminUrl);
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("set local role curestry_owner");
    for (const line of await allLines()) {
      const path = INCLUDE.exec(line)?.[1];
      if (path !== undefined) await client.query(await readFile(join(SQL, path), "utf8"));
    }
    await client.query("commit");
  });
  expect(await dumpSchema(database.adminUrl)).toBe(before);
});

test("a definition that was not deployed is seen", async () => {
  const before = await dumpSchema(database.adminUrl);
  await database.query("comment on table core.prompts is 'another'");
  expect(await dumpSchema(database.adminUrl)).not.toBe(before);
});

test("all.sql includes every file of sql/ once, and nothing else", async () => {
  const entries = await readdir(SQL, { recursive: true, withFileTypes: true });
  const files = entries.filter((e) => e.isFile() && e.name.endsWith(".sql") && e.name !== "all.sql")
    .map((e) => relative(SQL, join(e.parentPath, e.name)));
  const lines = await allLines();
  const included = lines.flatMap((line) => INCLUDE.exec(line)?.[1] ?? []);
  expect(included.toSorted()).toEqual(files.toSorted());
  expect(lines.filter((line) => !INCLUDE.test(line) && !line.startsWith("-- "))).toEqual([]);
});
