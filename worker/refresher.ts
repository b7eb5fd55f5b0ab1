import type { Pool } from "pg";

/** Brings marts up to date. */
export interface Refresher {
  /**
   * Begins with the organizations that need it, and does not wait for them.
   *
   * @throws {Error} if some have failed since the look before
   */
  look(): Promise<void>;
  /** Waits for all that need it. @throws {Error} if some fail; the others are done */
  refreshAll(): Promise<void>;
  /** Begins nothing more, and waits for what it has begun. */
  settle(): Promise<void>;
}

/** Organizations whose marts are brought up to date at the same time. */
const AT_ONCE = 4;

/** How long an organization that fails is left alone: doubled each time up to the latter, in ms. */
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

/** How many failures an error speaks of. */
const NAMED = 5;

/**
 * Each organization has a call, and so a transaction, of its own: one that is slow, or fails, holds
 * up no other. They take turns in the order in which they were found.
 */
export function makeRefresher(pool: Pool): Refresher {
  /** Under way or waiting for their turn. */
  const begun = new Map<string, Promise<void>>();
  const turns: (() => void)[] = [];
  const pauses = new Map<string, { length: number; until: number }>();
  let failures: string[] = [];
  let atOnce = 0;
  let settling = false;

  async function takeTurn(): Promise<void> {
    if (atOnce >= AT_ONCE) await new Promise<void>((resolve) => turns.push(resolve));
    else atOnce++;
  }

  function passTurn(): void {
    const next = turns.shift();
    if (next) next();
    else atOnce--;
  }

  async function refreshOne(organization: string): Promise<void> {
    await takeTurn();
    try {
      if (settling) return;
      await pool.query("select app.try_refresh_organization($1)", [organization]);
      pauses.delete(organization);
    } catch (error) {
      const length = Math.min(
        (pauses.get(organization)?.length ?? FIRST_PAUSE / 2) * 2,
        LONGEST_PAUSE,
      );
      pauses.set(organization, { length, until: performance.now() + length });
      const message = `organization ${organization}: ${(error as Error).message}`;
      failures.push(message);
      throw new Error(message, { cause: error });
    } finally {
      passTurn();
    }
  }

  function begin(organization: string): Promise<void> {
    let refreshed = begun.get(organization);
    if (refreshed === undefined) {
      refreshed = refreshOne(organization).finally(() => begun.delete(organization));
      refreshed.catch(() => {});
      begun.set(organization, refreshed);
    }
    return refreshed;
  }

  async function findMarked(): Promise<string[]> {
    const { rows } = await pool.query<{ id: string }>(
      "select m as id from app.marked_organizations() m",
    );
    return rows.map(({ id }) => id);
  }

  return {
    async look() {
      const now = performance.now();
      for (const id of await findMarked()) {
        if ((pauses.get(id)?.until ?? 0) <= now) begin(id);
      }
      const failed = failures;
      failures = [];
      throwIfAny(failed);
    },
    async refreshAll() {
      const results = await Promise.allSettled((await findMarked()).map(begin));
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
  const more = failures.length > NAMED ? [`and ${failures.length - NAMED} more`] : [];
  throw new Error([...failures.slice(0, NAMED), ...more].join("; "));
}
