import { defineConfig } from "vitest/config";

/** `deno task test`; one file: `deno task test test/cli/erase_user.test.ts`. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/global_setup.ts"],
    // Threads do not run under Deno
    pool: "forks",
    // Each has a gateway and starts processes of its own, beside the one PostgreSQL
    maxWorkers: 2,
    // For what hangs, not for what is slow: a busy machine takes many times as long as a quiet one
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
