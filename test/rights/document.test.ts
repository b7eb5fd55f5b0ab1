import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { renderRights } from "../../src/develop/render_rights.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { readRights } from "./rights.ts";

test("docs/rights.md is what test/rights.json says; `deno task generate` writes it", async () => {
  expect(await readFile(join(repositoryRoot, "docs/rights.md"), "utf8")).toBe(
    await renderRights(),
  );
});

test("what is accepted is shown by a test that exists", async () => {
  for (const { test } of (await readRights()).accepted) {
    const text = await readFile(join(repositoryRoot, "test/attacks", test), "utf8");
    expect(text).toMatch(/accepted/);
  }
});
