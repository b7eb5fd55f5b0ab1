import process from "node:process";
import { startTemporaryCluster } from "../../src/database/embedded/start_temporary_cluster.ts";
import { startDebianCluster } from "./debian_postgres.ts";

/** A throw-away server of the version that is tested. */
export interface TestCluster {
  /** The superuser's connection string, to the database `postgres`. */
  url: string;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

/** Starts one, of the programs in CURESTRY_TEST_POSTGRES_BIN, or of the embedded PostgreSQL. */
export async function startTestCluster(): Promise<TestCluster> {
  const { CURESTRY_TEST_POSTGRES_BIN: bin } = process.env;
  return bin ? await startDebianCluster(bin) : await startTemporaryCluster();
}
