import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Whether the linters that come from npm are run: with CI=true or CURESTRY_LINTERS=1, as in .ci/run.
 * They are no dependencies of ours, because Deno would install all of them, 25 MB of programs, for
 * everybody who only starts Curestry.
 */
export const isLinting: boolean = process.env["CI"] === "true" ||
  process.env["CURESTRY_LINTERS"] === "1";

/** Why the tests are skipped, for their names. */
export const WHEN = "with CI=true or CURESTRY_LINTERS=1";

/** Exact versions, because a new one may find more. */
export const LINTERS = {
  dblint: "@postgrestools/postgrestools@0.25.7",
  schemalint: "schemalint@2.3.2",
  squawk: "squawk-cli@2.66.0",
} as const;

/** How long a call may take, the first of which downloads the linter, in milliseconds. */
export const LINTER_TIMEOUT = 300_000;

/** How a linter ended. */
export interface LinterResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Where the linters' configuration is. */
export const LINTERS_FOLDER: string = fileURLToPath(new URL(".", import.meta.url));

/**
 * Runs a linter.
 *
 * @param options `databaseUrl`: what it shall look at, as an administrator; `cwd`: where it looks for
 * its configuration, by default this directory
 */
export async function runLinter(
  linter: keyof typeof LINTERS,
  args: string[],
  { databaseUrl, cwd = LINTERS_FOLDER }: { databaseUrl?: string; cwd?: string } = {},
): Promise<LinterResult> {
  const { promise, resolve, reject } = Promise.withResolvers<LinterResult>();
  const child = spawn("npx", ["-y", LINTERS[linter], ...args], {
    cwd,
    env: {
      ...process.env,
      NO_COLOR: "1",
      ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => stdout += text);
  child.stderr.setEncoding("utf8").on("data", (text) => stderr += text);
  child.on("error", reject);
  child.on("close", (code) => resolve({ code, stdout, stderr }));
  return await promise;
}
