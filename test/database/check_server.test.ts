import { expect, test } from "vitest";
import { judgeVersion } from "../../src/database/check_server.ts";

test("a server that is too old is refused, with what to do", () => {
  for (const [number, text] of [[140018, "14.18"], [90624, "9.624"], [0, "0.0"]] as const) {
    expect(() => judgeVersion(number)).toThrow(
      `The database server is PostgreSQL ${text}; Curestry needs 15 or later: ` +
        "upgrade it, or unset DATABASE_URL to use the embedded one",
    );
  }
});

test("every later one will do", () => {
  expect(judgeVersion(150014)).toEqual({
    number: 150014,
    major: 15,
    text: "15.14",
    warning: null,
  });
  for (const number of [160010, 170006, 180000, 190000]) {
    expect(judgeVersion(number).warning).toBeNull();
  }
});

test("one with a known hole in row level security is named, with the release that mends it", () => {
  expect(judgeVersion(150013).warning).toContain("CVE-2025-8713");
  expect(judgeVersion(160009).warning).toContain("upgrade to 16.10 or later");
  expect(judgeVersion(170000).warning).toContain("upgrade to 17.6 or later");
});
