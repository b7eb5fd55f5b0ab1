import pg from "pg";
import { connectAs, type Login } from "./login.ts";

type Connected = Parameters<typeof pg.Pool.prototype.connect>[0];

/**
 * A pool of connections as a login, whose password may change while the pool is in use: a connection
 * that is refused is made again with what is good now.
 *
 * @param config without a connection string
 */
export function makeLoginPool(login: Login | string, config: pg.PoolConfig): pg.Pool {
  class LoginClient extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super({ ...config, connectionString: typeof login === "string" ? login : login.url });
    }
  }

  class LoginPool extends pg.Pool {
    override connect(): Promise<pg.PoolClient>;
    override connect(callback: Connected): void;
    override connect(callback?: Connected): Promise<pg.PoolClient> | void {
      const connected = connectAs(
        login,
        () => super.connect(),
        config.connectionTimeoutMillis,
      );
      if (callback === undefined) return connected;
      connected.then(
        (client) => callback(undefined, client, client.release),
        (error) => callback(error, undefined, () => {}),
      );
    }
  }

  return new LoginPool({ ...config, Client: LoginClient });
}
