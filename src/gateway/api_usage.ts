import type { Logger } from "pino";
import type { BesideQueries } from "./database/beside_queries.ts";
import type { Caller } from "./database/adaptor.ts";

/** Who uses the API, as far as the gateway knows. */
export type ApiUser = Pick<Caller, "jwtId" | "keyHash" | "organization">;

/** Records the use of our own API as feature events. */
export interface ApiUsage {
  /** Notes which root fields an operation has used; writes nothing, and makes no request wait. */
  note(user: ApiUser, fields: readonly string[]): void;
  /** Writes what was noted, and ends. */
  stop(): Promise<void>;
}

/** One user's uses of one field. */
interface Use extends ApiUser {
  field: string;
  count: number;
  since: number;
}

/** Different uses that are remembered until they are written; more are counted as lost. */
const maxPendingUses = 10_000;

/**
 * Counts in memory and writes every few seconds, in one statement beside the requests: what was not
 * written yet is lost when the gateway crashes.
 *
 * @param intervalMs between writes
 * @param onLost called with the number of uses that will not be recorded
 */
export function makeApiUsage(
  pool: BesideQueries,
  intervalMs: number,
  log: Logger,
  onLost: (count: number) => void,
): ApiUsage {
  let uses = new Map<string, Use>();
  let writing: Promise<void> = Promise.resolve();
  const timer = setInterval(flush, intervalMs);

  function flush(): void {
    writing = writing.then(write);
  }

  async function write(): Promise<void> {
    if (uses.size === 0) return;
    const written = uses;
    uses = new Map();
    const now = performance.now();
    const rows = [...written.values()].map(({ since, ...use }) => ({
      ...use,
      age: (now - since) / 1000,
    }));
    try {
      await pool.query("select app.api_usage_record($1)", [JSON.stringify(rows)]);
    } catch (error) {
      log.warn({ err: error }, "The use of the API was not recorded");
      for (const use of written.values()) add(use);
    }
  }

  function add(use: Use): void {
    const key = [use.jwtId, use.keyHash, use.organization, use.field].join(" ");
    const known = uses.get(key);
    if (known !== undefined) {
      known.count += use.count;
      known.since = Math.min(known.since, use.since);
    } else if (uses.size < maxPendingUses) uses.set(key, use);
    else onLost(use.count);
  }

  return {
    note({ jwtId, keyHash, organization }, fields) {
      const since = performance.now();
      for (const field of fields) add({ jwtId, keyHash, organization, field, count: 1, since });
    },
    async stop() {
      clearInterval(timer);
      flush();
      await writing;
      onLost([...uses.values()].reduce((sum, { count }) => sum + count, 0));
    },
  };
}
