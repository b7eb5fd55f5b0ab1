import type { Pool } from "pg";

/** Brings marts up to date. */
export interface Refresher {
  /**
   * Begins with the organizations that need it, and does not wait for them.
   *
   * @throws {Error} if some have failed since the call before
   */
  begin(): Promise<void>;
  /** Waits for all that need it. @throws {Error} if some fail; the others are done */
  refreshAll(): Promise<void>;
  /** Begins nothing more, and waits for what it has begun. */
  settle(): Promise<void>;
}

/** Organizations whose marts are brought up to date at the same time. */
const maxConcurrentRefreshes = 4;

/** What app.mart_refresh_organization does at once; with less, the next poll is early enough. */
const fullSliceHours = 500;

/** How long an organization that fails is left alone; doubled with each failure. */
const firstRetryDelayMs = 2_000;
const maxRetryDelayMs = 60_000;

/** How many failures the message of an error lists. */
const maxFailuresInMessage = 5;

/**
 * Each organization has calls, and so transactions, of its own: one that is slow, or fails, holds up no
 * other. They take turns, a slice each, in the order in which they were found.
 */
export function makeRefresher(pool: Pool): Refresher {
  /** Under way or waiting for their turn. */
  const begun = new Map<string, Promise<void>>();
  const turns: (() => void)[] = [];
  const retryDelays = new Map<string, { delayMs: number; until: number }>();
  let failures: string[] = [];
  let running = 0;
  /** What a job has to have done before it ends, also when the worker stops meanwhile. */
  const wantedByJobs = new Set<string>();
  let settling = false;

  async function takeTurn(): Promise<void> {
    if (running >= maxConcurrentRefreshes) {
      await new Promise<void>((resolve) => turns.push(resolve));
    } else running++;
  }

  function passTurn(): void {
    const next = turns.shift();
    if (next) next();
    else running--;
  }

  async function refreshOne(organization: string): Promise<void> {
    try {
      while (await refreshSlice(organization));
      retryDelays.delete(organization);
    } catch (error) {
      const delayMs = Math.min(
        (retryDelays.get(organization)?.delayMs ?? firstRetryDelayMs / 2) * 2,
        maxRetryDelayMs,
      );
      retryDelays.set(organization, { delayMs, until: performance.now() + delayMs });
      const message = `organization ${organization}: ${(error as Error).message}`;
      failures.push(message);
      throw new Error(message, { cause: error });
    }
  }

  /** @returns whether there is more: the others that wait have their turns first */
  async function refreshSlice(organization: string): Promise<boolean> {
    await takeTurn();
    try {
      if (settling && !wantedByJobs.has(organization)) return false;
      const { rows: [slice] } = await pool.query<{ hours: number | null }>(
        "select app.mart_try_refresh_organization($1) as hours",
        [organization],
      );
      if ((slice?.hours ?? 0) < fullSliceHours) return false;
      const { rows: [state] } = await pool.query<{ behind: boolean }>(
        "select app.mart_is_behind($1) as behind",
        [organization],
      );
      return state?.behind ?? false;
    } finally {
      passTurn();
    }
  }

  function beginOne(organization: string): Promise<void> {
    let refreshed = begun.get(organization);
    if (refreshed === undefined) {
      refreshed = refreshOne(organization).finally(() => begun.delete(organization));
      refreshed.catch(() => {});
      begun.set(organization, refreshed);
    }
    return refreshed;
  }

  async function findChanged(): Promise<string[]> {
    const { rows } = await pool.query<{ id: string }>(
      "select m as id from app.mart_changed_organizations() m",
    );
    return rows.map(({ id }) => id);
  }

  return {
    async begin() {
      const now = performance.now();
      for (const id of await findChanged()) {
        if ((retryDelays.get(id)?.until ?? 0) <= now) beginOne(id);
      }
      const failed = failures;
      failures = [];
      throwIfAny(failed);
    },
    async refreshAll() {
      const changed = await findChanged();
      for (const id of changed) wantedByJobs.add(id);
      const results = await Promise.allSettled(changed.map(beginOne));
      for (const id of changed) wantedByJobs.delete(id);
      throwIfAny(
        results.filter((result) => result.status === "rejected")
          .map(({ reason }) => (reason as Error).message),
      );
    },
    async settle() {
      settling = true;
      await Promise.allSettled(begun.values());
    },
  };
}

function throwIfAny(failures: string[]): void {
  if (failures.length === 0) return;
  const more = failures.length > maxFailuresInMessage
    ? [`and ${failures.length - maxFailuresInMessage} more`]
    : [];
  throw new Error([...failures.slice(0, maxFailuresInMessage), ...more].join("; "));
}
