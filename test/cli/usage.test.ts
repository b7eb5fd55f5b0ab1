import { expect, test } from "vitest";
import { cli } from "../helpers/cli.ts";

// Bad usage is found before any database is needed
const env = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };

test("without a command, and for a group without one, help is shown and the exit code is 2", async () => {
  for (const args of [[], ["organization"]]) {
    const { code, stdout, stderr } = await cli(args, { env });
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: "" });
    expect(stderr).toContain("Usage: curestry");
  }
});

test("--help is an answer: standard output, exit code 0", async () => {
  const { code, stdout } = await cli(["import", "prompts", "--help"], { env });
  expect(code).toBe(0);
  expect(stdout).toContain("--dry-run");
  expect(stdout).toContain("--json");
});

test.for([
  [["bogus"], "unknown command 'bogus'"],
  [["organization", "create", "--slug", "a", "--name", "A"], "'--owner <email>' not specified"],
  [["api-key", "revoke", "x"], "It is not an id (a UUID)"],
  [["token", "create", "--user", "a@b.c", "--expires", "1y"], "such as 15m, 1h or 90d"],
  [["rollup", "--from", "2026-02-31"], "2026-01-31T12:00Z"],
  [["rollup", "--from", "2026-02-02", "--to", "2026-02-01"], "--to must lie after --from"],
  [["rollup", "extra"], "too many arguments"],
  [["jobs", "retry", "x"], "It is not the number of a job"],
  [["operator", "grant"], "missing required argument 'email'"],
])("bad usage is named and exits 2: %j", async ([args, message]) => {
  const { code, stdout, stderr } = await cli(args as string[], { env });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});

test("with --json, bad usage is a JSON document too", async () => {
  const { code, stdout } = await cli(["rollup", "--nonsense", "--json"], { env });
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toEqual({
    error: { code: "USAGE", message: "unknown option '--nonsense'" },
  });
});

test("a setting that cannot be used is named, and nothing is done", async () => {
  const { code, stdout } = await cli(["rollup", "--json"], { env: { ...env, PORT: "port" } });
  expect(code).toBe(1);
  expect(JSON.parse(stdout).error).toMatchObject({
    code: "SETTINGS",
    message: expect.stringContaining("PORT"),
  });
});
