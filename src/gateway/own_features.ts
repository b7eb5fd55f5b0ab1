import type { Pool } from "pg";
import type { Logger } from "pino";

/** Who uses the API, as far as the gateway knows. */
export interface Caller {
  /** `core.sessions.jwt_id` of a verified token. */
  jwtId: string | null;
  /** Of an API key. */
  keyHash: string | null;
  /** Slug of the organization which the request chose. */
  organization: string | null;
}

/** Records the use of our own API as feature events. */
export interface OwnFeatures {
  /** Notes which root fields an operation has used; writes nothing, and makes nobody wait. */
  note(caller: Caller, fields: readonly string[]): void;
  /** Writes what was noted, and ends. */
  stop(): Promise<void>;
}

/** One caller's uses of one field. */
interface Use extends Caller {
  field: string;
  count: number;
  since: number;
}

/** Different uses that are remembered at most; more are counted as lost. */
const MOST = 10_000;

/**
 * Counts in memory and writes every few seconds, in one statement beside the requests: what was not
 * written yet is lost when the gateway crashes.
 *
 * @param interval between writes, in milliseconds
 * @param onLost called with the number of uses that will not be recorded
 */
export function makeOwnFeatures(
  pool: Pool,
  interval: number,
  log: Logger,
  onLost: (count: number) => void,
): OwnFeatures {
  let uses = new Map<string, Use>();
  let writing: Promise<void> = Promise.resolve();
  const timer = setInterval(flush, interval);

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
      await pool.query("select app.record_own_features($1)", [JSON.stringify(rows)]);
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
    } else if (uses.size < MOST) uses.set(key, use);
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
