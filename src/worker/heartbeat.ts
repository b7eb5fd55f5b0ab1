import pg from "pg";
import { connectAs, type Login } from "../database/login.ts";
import type { Log } from "../shared/log.ts";
import { pause } from "../shared/pause.ts";

/** Says, as long as this process lives, that a worker is alive. */
export interface Heartbeat {
  /** Settles when the worker is known, or could not be made known yet. */
  first: Promise<void>;
  /** The worker has ended in good order. */
  stop(): Promise<void>;
}

/** A heartbeat, or a connection for it, that takes longer has failed. */
const heartbeatQueryTimeoutMs = 10_000;

/**
 * Starts the heartbeat of a worker, on a connection of its own: tasks that use up the others do not
 * stop it, and the lock that it holds ends with this process (the function app.worker_heartbeat_record).
 *
 * @param workerId the name under which it locks jobs
 * @param intervalMs between heartbeats
 */
export function startHeartbeat(
  databaseUrl: string | Login,
  workerId: string,
  intervalMs: number,
  log: Log,
): Heartbeat {
  const stopping = new AbortController();
  let client: pg.Client | null = null;

  async function connect(url: string): Promise<pg.Client> {
    const made = new pg.Client({
      connectionString: url,
      application_name: "curestry worker heartbeat",
      connectionTimeoutMillis: heartbeatQueryTimeoutMs,
      query_timeout: heartbeatQueryTimeoutMs,
      keepAlive: true,
    });
    made.on("error", () => client = null);
    try {
      await made.connect();
      // The server, too, finds out when this machine is gone
      await made.query(
        "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3",
      );
      return made;
    } catch (error) {
      await made.end().catch(() => {});
      throw error;
    }
  }

  async function ask(sql: string): Promise<void> {
    client ??= await connectAs(databaseUrl, connect);
    const asked = client;
    try {
      await asked.query(sql, [workerId]);
    } catch (error) {
      client = null;
      asked.end().catch(() => {});
      throw error;
    }
  }

  async function sendHeartbeat(): Promise<void> {
    try {
      await ask("select app.worker_heartbeat_record($1)");
    } catch (error) {
      log.warn({ err: error, workerId }, "The heartbeat of the worker failed");
    }
  }

  const first = sendHeartbeat();
  const heartbeats = first.then(async () => {
    while (!stopping.signal.aborted) {
      await pause(intervalMs, stopping.signal);
      if (!stopping.signal.aborted) await sendHeartbeat();
    }
  });

  return {
    first,
    async stop() {
      stopping.abort();
      await heartbeats;
      await ask("select app.worker_end($1)").catch((error) =>
        log.debug({ err: error, workerId }, "The end of the worker was not noted")
      );
      await client?.end().catch(() => {});
    },
  };
}
