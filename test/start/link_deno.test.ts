import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linkDeno } from "../../src/start/link_deno.ts";

describe.skipIf(process.platform === "win32")("the link that spares npx its search", () => {
  let directory = "";
  let deno = "";
  let link = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    const cache = join(directory, "_npx", "05b6ef7b", "node_modules", "deno");
    await mkdir(cache, { recursive: true });
    deno = join(cache, "deno");
    await writeFile(deno, "#!/bin/sh\n");
    await chmod(deno, 0o755);
    link = join(directory, "deno");
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("is made once, by however many starts", async () => {
    const made = await Promise.all(Array.from({ length: 5 }, () => linkDeno(deno, directory)));
    expect(made).not.toContain(false);
    expect(await readlink(link)).toBe(deno);
    expect(await linkDeno(deno, directory)).toBe(true);
  });

  test("is made anew when npx has emptied its cache and fetched another Deno", async () => {
    await symlink(join(directory, "_npx", "gone", "deno"), link);
    expect(await linkDeno(deno, directory)).toBe(true);
    expect(await readlink(link)).toBe(deno);
  });

  test("is not made for a Deno that the user installed, nor in the place of another one", async () => {
    expect(await linkDeno("/usr/bin/deno", directory)).toBe(false);
    await expect(readlink(link)).rejects.toThrow("ENOENT");
    const other = join(directory, "other");
    await writeFile(other, "");
    await symlink(other, link);
    expect(await linkDeno(deno, directory)).toBe(false);
    expect(await readlink(link)).toBe(other);
    await rm(link);
    await writeFile(link, "a program");
    await expect(linkDeno(deno, directory)).rejects.toThrow("EINVAL");
    expect(await readFile(link, "utf8")).toBe("a program");
  });
});
