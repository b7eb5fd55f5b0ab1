import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import type { Log } from "../shared/log.ts";
import { pause } from "../shared/pause.ts";
import { errorCode } from "./open_client.ts";

/** For how long to try. */
const patienceMs = 5 * 60_000;

/** How often to look who blocks. */
const lookIntervalMs = 500;

/**
 * Runs something that changes tables. Whoever wants to read such a table waits behind the change while
 * it waits for a lock itself, so it gives up after a short time (its lock_timeout), lets them pass, and
 * tries again.
 *
 * @param client looks who blocks; not the one that waits, or the same one
 * @throws {Error} what `run` throws, after some minutes with the names of those that block
 */
export async function behindLocks(
  client: Client,
  log: Log | undefined,
  run: () => Promise<void>,
): Promise<void> {
  const giveUp = performance.now() + patienceMs;
  let said = "";
  for (let attempt = 1;; attempt++) {
    const watch = watchBlockers(client);
    try {
      await run();
      return;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const blockers = watch.found();
      if (performance.now() >= giveUp) {
        throw new Error(
          `${(error as Error).message}\n  Blocked by: ${blockers || "unknown"}\n` +
            '  End those sessions ("select pg_terminate_backend(PID)"), then migrate again',
          { cause: error },
        );
      }
      if (attempt === 1 || blockers !== said) {
        said = blockers;
        log?.warn({ blockers }, "The migration waits for others, and tries again");
      }
      await sleep(Math.random() * 1000 + Math.min(attempt * 200, 2000));
    } finally {
      await watch.stop();
    }
  }
}

/** Both that of PostgreSQL, and one with it as its cause. */
function isLockTimeout(error: unknown): boolean {
  for (let each = error; each; each = (each as { cause?: unknown }).cause) {
    if (["55P03", "40P01"].includes(errorCode(each))) return true;
  }
  return false;
}

function watchBlockers(client: Client): { found(): string; stop(): Promise<void> } {
  let found = "";
  const stopping = new AbortController();
  const watching = (async () => {
    for (;;) {
      await pause(lookIntervalMs, stopping.signal);
      if (stopping.signal.aborted) return;
      found = await readBlockers(client).catch(() => found) || found;
    }
  })();
  return {
    found: () => found,
    async stop() {
      stopping.abort();
      await watching;
    },
  };
}

async function readBlockers(client: Client): Promise<string> {
  const { rows } = await client.query<{ blocker: string }>(
    `select distinct format('%s (process %s)', coalesce(b.usename, 'a prepared transaction'), p.pid) as blocker
       from pg_catalog.pg_locks l, unnest(pg_catalog.pg_blocking_pids(l.pid)) as p (pid)
       left join pg_catalog.pg_stat_activity b on b.pid = p.pid
      where not l.granted and l.pid <> pg_catalog.pg_backend_pid()
        and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
      order by 1 limit 10`,
  );
  return rows.map(({ blocker }) => blocker).join(", ");
}
