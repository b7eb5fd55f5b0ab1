import process from "node:process";
import { createVitest, type Reporter, type TestSequencer } from "vitest/node";
import { withClient } from "../../src/database/open_client.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import type {} from "../helpers/test_server.ts";

/** A test that failed. */
export interface Failure {
  file: string;
  /** Its name; empty if the file failed outside of its tests. */
  test: string;
  message: string;
}

/** Runs test files on one server, again and again, with one rule broken or with none. */
export interface TestRunner {
  /** An administrator's connection string, to a database whose rules are whole. */
  url: string;
  /**
   * Runs test files in this order, up to the first failure.
   *
   * @param statement breaks a rule, in the database that each file copies; null for none
   * @returns null if all passed
   * @throws {Error} from PostgreSQL, if it refuses the statement
   */
  run(statement: string | null, files: string[]): Promise<Failure | null>;
  /** Stops the server. */
  close(): Promise<void>;
}

/** For what hangs because a rule is broken. */
const TEST_TIMEOUT_MS = 120_000;
const DEADLINE_MS = 15_000;

/**
 * It compares how rules are written, and a few tests of behaviour call it in passing: they would
 * notice every mutant.
 */
const WITHOUT_FINDINGS = `create or replace function app.security_findings()
  returns table (rule text, object text, cure text)
  language sql stable as $$ select null, null, null where false $$`;

/** Starts the server of the tests, and Vitest in this process, and proves that both work. */
export async function openTestRunner(): Promise<TestRunner> {
  process.env.CURESTRY_TEST_DEADLINE_MS = String(DEADLINE_MS);
  let failure: Failure | null = null;
  // Vitest's own account of a run has the modules of earlier runs, too
  const reporter: Reporter = {
    onTestCaseResult(test) {
      const { state, errors } = test.result();
      if (state !== "failed") return;
      failure ??= {
        file: test.module.relativeModuleId,
        test: test.fullName,
        message: firstLine(errors?.[0]?.message),
      };
    },
    onTestModuleEnd(module) {
      if (module.state() !== "failed") return;
      failure ??= {
        file: module.relativeModuleId,
        test: "",
        message: firstLine(module.errors()[0]?.message),
      };
    },
  };
  const vitest = await createVitest("test", {
    root: repositoryRoot,
    watch: false,
    bail: 1,
    reporters: [reporter],
    silent: true,
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: TEST_TIMEOUT_MS,
    sequence: { sequencer: AsGiven },
  });

  async function runFiles(files: string[]): Promise<Failure | null> {
    failure = null;
    if (files.length === 0) return null;
    const specifications = (await vitest.globTestSpecifications(files))
      .toSorted((a, b) => indexIn(files, a.moduleId) - indexIn(files, b.moduleId));
    if (specifications.length !== files.length) {
      throw new Error(`Vitest finds other files than ${files.join(", ")}`);
    }
    const { unhandledErrors } = await vitest.runTestSpecifications(specifications);
    if (failure === null && unhandledErrors.length > 0) {
      throw new Error(`Vitest failed: ${unhandledErrors[0]}`);
    }
    return failure;
  }

  // Its first run sets the server up
  const broken = await runFiles(["test/helpers/harness.test.ts"]);
  if (broken !== null) throw new Error(`The tests do not run: ${broken.message}`);
  const { server } = vitest.getRootProject().getProvidedContext();
  const whole = `${server.template}_whole`;
  async function copy(from: string, to: string): Promise<void> {
    await withClient(server.url, async (client) => {
      await client.query(`drop database if exists ${client.escapeIdentifier(to)} with (force)`);
      await client.query(
        `create database ${client.escapeIdentifier(to)} template ${client.escapeIdentifier(from)}`,
      );
    });
  }
  await copy(server.template, whole);
  const url = databaseUrl(server.url, whole);
  await withClient(url, (client) => client.query(WITHOUT_FINDINGS));

  return {
    url,
    async run(statement, files) {
      await copy(whole, server.template);
      if (statement !== null) {
        const templateUrl = databaseUrl(server.url, server.template);
        await withClient(templateUrl, (client) => client.query(statement));
      }
      // What is likeliest to notice goes alone: a failure waits for the test that runs beside it
      const first = await runFiles(files.slice(0, 1));
      if (first !== null) return first;
      for (let rest = files.slice(1);;) {
        const found = await runFiles(rest);
        if (found === null) return null;
        // Not because of what ran beside it?
        const again = await runFiles([found.file]);
        if (again !== null) return again;
        rest = rest.filter((file) => file !== found.file);
      }
    },
    async close() {
      await withClient(
        server.url,
        (client) => client.query(`drop database ${client.escapeIdentifier(whole)} with (force)`),
      );
      await vitest.close();
    },
  };
}

/** Vitest's own order puts the slowest first. */
class AsGiven implements TestSequencer {
  shard: TestSequencer["shard"] = (specifications) => specifications;
  sort: TestSequencer["sort"] = (specifications) => specifications;
}

function indexIn(files: string[], moduleId: string): number {
  return files.findIndex((file) => moduleId.endsWith(`/${file}`));
}

function firstLine(message = ""): string {
  return message.split("\n")[0]?.slice(0, 200) ?? "";
}
