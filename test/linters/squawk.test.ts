import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { isLinting, LINTER_TIMEOUT, LINTERS_FOLDER, runLinter, WHEN } from "./linter.ts";

/**
 * What squawk may find in which committed migrations ("all": in later ones too), and why. Everything
 * else fails, and so does an exception that is not needed any more.
 */
const EXCEPTIONS: { rules: string[]; files: string[] | "all"; because: string }[] = [
  {
    rules: ["prefer-text-field", "prefer-bigint-over-int"],
    files: "all",
    because: "the specification gives the types of its columns",
  },
  {
    rules: ["require-statement-timeout"],
    files: "all",
    because: "how long a migration takes depends on the data; one that is cancelled has to begin " +
      "again. What others wait for is bounded by lock_timeout",
  },
  {
    rules: ["prefer-identity"],
    files: ["000001-current-tables.sql"],
    because: "these are the legacy backends' tables as they are, made only where they are absent",
  },
  {
    rules: ["adding-serial-primary-key-field"],
    files: ["000002-ops-and-mart.sql"],
    because: "the tables are made, empty, in the same migration",
  },
  {
    rules: [
      "adding-foreign-key-constraint",
      "adding-not-nullable-field",
      "adding-serial-primary-key-field",
      "constraint-missing-not-valid",
      "disallowed-unique-constraint",
      "require-concurrent-index-creation",
      "adding-field-with-default",
    ],
    files: ["000003-move-to-core.sql"],
    because:
      "the legacy tables move to core in one transaction, all or nothing, while nobody else " +
      "writes them: concurrent and unvalidated steps would need several",
  },
  {
    rules: ["constraint-missing-not-valid"],
    files: ["000005-nobody-stops-the-others.sql"],
    because: "app.mart_state has one row for each organization, and the new columns are empty",
  },
  {
    rules: ["require-concurrent-index-creation", "require-concurrent-index-deletion"],
    files: ["000009-the-api-says-what-is-so.sql"],
    because:
      "an index of prompts, documents or scores takes a second or two for a million rows: writers " +
      "wait for that, once; readers only while an old index is dropped, which takes no time",
  },
  {
    rules: ["require-concurrent-index-creation"],
    files: [
      "000007-marts-recording-and-audit-cost-less.sql",
      "000008-the-health-report-costs-the-same-among-many-organizations.sql",
    ],
    because:
      "app.mart_change has only what is not refreshed yet, and an index by one column takes a " +
      "second for a million documents: writers wait for that, once",
  },
];

interface Violation {
  file: string;
  line: number;
  rule_name: string;
  message: string;
}

function isExcepted({ file, rule_name: rule }: Violation): boolean {
  return EXCEPTIONS.some(({ rules, files }) =>
    rules.includes(rule) && (files === "all" || files.includes(basename(file)))
  );
}

describe.skipIf(!isLinting)(`squawk (${WHEN})`, () => {
  const bad = join(LINTERS_FOLDER, "bad_migration.sql");
  let ofBad: Violation[];
  let violations: Violation[];
  beforeAll(async () => {
    const folder = join(migrationsFolder, "committed");
    const files = (await readdir(folder)).filter((file) => file.endsWith(".sql"));
    const { stdout, stderr } = await runLinter("squawk", [
      ...["--assume-in-transaction", "--pg-version=15", "--reporter=json", bad],
      ...files.map((file) => join(folder, file)),
    ]);
    if (!stdout.startsWith("[")) throw new Error(`squawk said nothing:\n${stdout}${stderr}`);
    const found: Violation[] = JSON.parse(stdout);
    ofBad = found.filter(({ file }) => file === bad);
    violations = found.filter(({ file }) => file !== bad);
  }, LINTER_TIMEOUT);

  test("finds what is wrong with a bad migration", () => {
    const rules = ofBad.filter((violation) => !isExcepted(violation)).map((v) => v.rule_name);
    expect([...new Set(rules)].toSorted()).toEqual([
      "adding-foreign-key-constraint",
      "adding-required-field",
      "ban-drop-table",
      "changing-column-type",
      "constraint-missing-not-valid",
      "renaming-column",
      "require-concurrent-index-creation",
      "require-lock-timeout",
    ]);
  });

  test("finds nothing in the committed migrations but what is excepted, with a reason", () => {
    expect(
      violations.filter((violation) => !isExcepted(violation)).map((violation) =>
        `${
          basename(violation.file)
        }:${violation.line}: ${violation.rule_name}: ${violation.message}`
      ),
    ).toEqual([]);
  });

  test("every exception is needed", () => {
    for (const { rules, files } of EXCEPTIONS) {
      for (const rule of rules) {
        const of = violations.filter((v) => v.rule_name === rule).map((v) => basename(v.file));
        if (files === "all") expect(of.length, rule).toBeGreaterThan(0);
        else for (const file of files) expect(of, rule).toContain(file);
      }
    }
  });
});
