import { defineConfig } from "vitest/config";

/** `deno task test`; one file: `deno task test test/cli/organization.test.ts`. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/global_setup.ts"],
    // Threads do not run under Deno
    pool: "forks",
    // Each has a gateway and starts processes of its own, beside the one PostgreSQL
    maxWorkers: 2,
    // Generous: a test that starts processes on a busy machine of two cores takes seconds
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
