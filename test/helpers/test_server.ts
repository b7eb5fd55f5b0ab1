/** What every test file gets of the one server of a run: `inject("server")`. */
export interface TestServer {
  /** An administrator's connection string, to the database `postgres`. */
  url: string;
  /** The migrated database that test files copy. */
  template: string;
  /** CURESTRY_DATA_DIR: keys and secrets of this run. */
  dataDir: string;
  /** Of our logins. */
  passwords: { curestry_gateway: string; curestry_worker: string };
}

declare module "vitest" {
  export interface ProvidedContext {
    server: TestServer;
  }
}
