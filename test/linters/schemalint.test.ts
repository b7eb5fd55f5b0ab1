import { readFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { isLinting, LINTER_TIMEOUT, runLinter, WHEN } from "./linter.ts";

async function lint(url: string): Promise<{ code: number | null; found: string[] }> {
  const { code, stdout, stderr } = await runLinter(
    "schemalint",
    ["--config", "schemalint.config.cjs"],
    { databaseUrl: url },
  );
  if (!stdout.includes("Connecting to")) {
    throw new Error(`schemalint did not look:\n${stdout}${stderr}`);
  }
  // It ends with 1, too, when it breaks
  const found = stderr.split("\n").flatMap((line) => {
    const [, object, rule, message] = /^(\S+): error (\S+) : (.*)$/.exec(line) ?? [];
    return object === undefined ? [] : [`${rule}: ${object}: ${message}`];
  });
  if (code !== 0 && found.length === 0) throw new Error(`schemalint failed:\n${stdout}${stderr}`);
  return { code, found };
}

describe.skipIf(!isLinting)(`schemalint (${WHEN})`, { timeout: LINTER_TIMEOUT }, () => {
  const database = withTestDatabase();
  const bad = withTestDatabase();

  beforeAll(async () => {
    await query(bad.adminUrl, "drop schema app, core, ops, mart, report cascade");
    await query(bad.adminUrl, await readFile(new URL("bad_schema.sql", import.meta.url), "utf8"));
  });

  test("finds what is wrong with a bad schema", async () => {
    const { code, found } = await lint(bad.adminUrl);
    expect(code).toBe(1);
    expect(found.map((line) => line.split(": ").slice(0, 2).join(": ")).toSorted()).toEqual([
      "index-referencing-column: ops.child.child_parent_id_fkey",
      "mandatory-columns: core.bare.organization_id",
      "mandatory-columns: ops.child",
      "name-casing: ops.child.camelCase",
      "prefer-jsonb-to-json: ops.child.camelCase",
      "prefer-timestamptz-to-timestamp: ops.child.made_at",
      "require-primary-key: core.bare",
      "row-level-security: core.bare",
      "row-level-security: core.bare",
      "row-level-security: core.forgotten",
      "row-level-security: core.forgotten",
      "row-level-security: core.not_forced",
      "row-level-security: ops.open",
    ]);
  });

  test("finds nothing in ours", async () => {
    expect(await lint(database.adminUrl)).toEqual({ code: 0, found: [] });
  });
});
