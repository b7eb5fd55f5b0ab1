import { afterAll, beforeAll, inject } from "vitest";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { type Gateway, type GatewayOptions, makeGateway } from "../../src/gateway/serve.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readSettings } from "../../src/shared/settings.ts";
import type { TestDatabase } from "./database.ts";
import type {} from "./test_server.ts";

/**
 * Starts the real gateway on a free port.
 *
 * @param options replace ours; `log` to look at what it logs
 */
export async function startGateway(
  database: TestDatabase,
  options: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  const jwtKeys = await readJwtKeys(
    readSettings({ CURESTRY_DATA_DIR: inject("server").dataDir }),
  );
  return await makeGateway({
    databaseUrl: database.gatewayUrl,
    host: "127.0.0.1",
    port: 0,
    jwtKeys: jwtKeys.map((key) => ({ ...key })),
    log: makeLog("silent"),
    poolSize: 4,
    // It takes a second to start; tests that are about it have it
    costlyThread: false,
    // Only at its end: no test is to find events that it did not make
    apiUsageIntervalMs: 3_600_000,
    // On a busy machine all takes its time; a test that is about one of these sets it
    poolWaitMs: 60_000,
    statementTimeoutMs: 60_000,
    connectWaitMs: 60_000,
    stopWaitMs: 60_000,
    ...options,
  });
}

/**
 * Gives this test file a gateway of its own, from before its first test until after its last. Call
 * it at the top of the file, after `withTestDatabase`.
 *
 * @returns an object whose `url` can be read inside tests
 */
export function withGateway(
  database: TestDatabase,
  options: Partial<GatewayOptions> = {},
): { readonly url: string } {
  let gateway: Gateway | null = null;
  beforeAll(async () => {
    gateway = await startGateway(database, options);
  });
  afterAll(() => gateway?.stop());
  return {
    get url() {
      if (gateway === null) throw new Error("The gateway runs only inside tests");
      return gateway.url;
    },
  };
}
