import type { Logger } from "pino";
import type { BesideQueries } from "../database/beside_queries.ts";

/** How often the use of one key is written down. */
const noteIntervalMs = 60_000;
const maxRememberedKeys = 10_000;

/**
 * Makes the note-taker of ops.api_key.last_used_at. It writes beside the request and never makes it
 * wait; a note that fails is only logged. The database keeps to once a minute as well, for all
 * gateways together.
 *
 * @returns notes that the key with this hash was used just now
 */
export function makeNoteKeyUse(pool: BesideQueries, log: Logger): (hash: string) => void {
  const noted = new Map<string, number>();
  return function noteKeyUse(hash) {
    const now = Date.now();
    if (now - (noted.get(hash) ?? 0) < noteIntervalMs) return;
    if (noted.size >= maxRememberedKeys) noted.clear();
    noted.set(hash, now);
    pool.query("select app.api_key_touch($1)", [hash]).catch((error: unknown) => {
      log.warn({ err: error }, "The use of an API key was not noted");
    });
  };
}
