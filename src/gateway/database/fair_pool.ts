import type { Pool, PoolClient } from "pg";
import { GatewayError } from "../gateway_error.ts";

/** Who wants a connection, and for what. */
export interface Claim {
  /** All that one organization does; what nobody knows yet is one, too. */
  organization: string;
  /** What is done: requests for the same are likely to wait for the same table. */
  work: string;
}

/** A connection that is lent. */
export interface Lease {
  client: PoolClient;
  /** Whether it was used, or made, a moment ago; another one may have died while nobody looked. */
  isFresh: boolean;
  /** Gives it back, once; `broken` closes it. */
  release(broken: boolean): void;
}

/** A pool that no organization can take for itself. */
export interface FairPool {
  /** @throws GatewayError UNAVAILABLE when all are busy for too long, or there is no database */
  acquire(claim: Claim): Promise<Lease>;
  readonly waitingCount: number;
}

/** Limits of a fair pool. */
export interface FairPoolOptions {
  size: number;
  /** How long a claim may wait, in milliseconds. */
  waitMs: number;
  /** Claims that may wait at once; more are refused without waiting. One organization has half of them. */
  maxWaiting: number;
}

/** A connection that was used within this time is taken to be alive, in milliseconds. */
const freshMs = 1_000;
/** A pool this small is not divided. */
const smallestDividedSize = 4;
const organizationShare = 0.6;
/** From this size on, an organization keeps one of its connections for other work than the busiest. */
const smallestSizeWithSpareWork = 8;

interface Waiter {
  claim: Claim;
  grant(): void;
}

/**
 * Lends the connections of a pool in turn: one organization has at most 60 % of them, one kind of work
 * within it one less, and whoever waits is served round robin: organization by organization, and
 * within one, kind of work by kind of work. So neither a flood nor a table that is locked stops others.
 */
export function makeFairPool(pool: Pool, options: FairPoolOptions): FairPool {
  const { size, waitMs, maxWaiting } = options;
  const mostOfOne = size < smallestDividedSize ? size : Math.ceil(size * organizationShare);
  const mostOfWork = size < smallestSizeWithSpareWork ? mostOfOne : mostOfOne - 1;
  const lent = new Map<string, number>();
  /** In the order in which they are served: organization, work, claims. */
  const waiting = new Map<string, Map<string, Set<Waiter>>>();
  /** When connections were given back, by `performance.now()`. */
  const usedAt = new WeakMap<PoolClient, number>();
  let lentCount = 0;
  let waitingCount = 0;

  function workKey({ organization, work }: Claim): string {
    return `${organization}\n${work}`;
  }

  function isFree(claim: Claim): boolean {
    return lentCount < size && (lent.get(claim.organization) ?? 0) < mostOfOne &&
      (lent.get(workKey(claim)) ?? 0) < mostOfWork;
  }

  function count(claim: Claim, change: 1 | -1): void {
    lentCount += change;
    for (const key of [claim.organization, workKey(claim)]) {
      const number = (lent.get(key) ?? 0) + change;
      if (number === 0) lent.delete(key);
      else lent.set(key, number);
    }
  }

  /** Serves whoever is next, as long as there are connections for them. */
  function serve(): void {
    while (lentCount < size) {
      const next = findNext();
      if (next === undefined) return;
      forget(next, true);
      count(next.claim, 1);
      next.grant();
    }
  }

  function findNext(): Waiter | undefined {
    for (const works of waiting.values()) {
      for (const waiters of works.values()) {
        for (const waiter of waiters) {
          if (isFree(waiter.claim)) return waiter;
          break; // The others of this work are in the same position
        }
      }
    }
    return undefined;
  }

  /** @param served whether its organization and its work go to the end of the line */
  function forget(waiter: Waiter, served: boolean): void {
    const { organization, work } = waiter.claim;
    const works = waiting.get(organization);
    const waiters = works?.get(work);
    if (!works || !waiters?.delete(waiter)) return;
    waitingCount--;
    if (served || waiters.size === 0) works.delete(work);
    if (served && waiters.size > 0) works.set(work, waiters);
    if (served || works.size === 0) waiting.delete(organization);
    if (served && works.size > 0) waiting.set(organization, works);
  }

  function waitersOf(organization: string): number {
    let number = 0;
    for (const waiters of waiting.get(organization)?.values() ?? []) number += waiters.size;
    return number;
  }

  async function waitForTurn(claim: Claim): Promise<void> {
    if (waitingCount >= maxWaiting || waitersOf(claim.organization) >= maxWaiting / 2) throw busy();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { claim, grant: resolve };
    const works = waiting.get(claim.organization) ?? new Map<string, Set<Waiter>>();
    waiting.set(claim.organization, works);
    const waiters = works.get(claim.work) ?? new Set<Waiter>();
    works.set(claim.work, waiters);
    waiters.add(waiter);
    waitingCount++;
    const timer = setTimeout(() => {
      forget(waiter, false);
      reject(busy());
    }, waitMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    async acquire(claim) {
      if (isFree(claim)) count(claim, 1);
      else await waitForTurn(claim);
      try {
        const client = await pool.connect();
        let released = false;
        return {
          client,
          isFresh: performance.now() - (usedAt.get(client) ?? performance.now()) < freshMs,
          release(broken) {
            if (released) return;
            released = true;
            usedAt.set(client, performance.now());
            client.release(broken);
            count(claim, -1);
            serve();
          },
        };
      } catch (error) {
        count(claim, -1);
        serve();
        throw new GatewayError("UNAVAILABLE", "The database cannot be reached; try again", {
          cause: error,
        });
      }
    },
    get waitingCount() {
      return waitingCount;
    },
  };
}

/** What is refused because others are served first. */
export function busy(): GatewayError {
  return new GatewayError("UNAVAILABLE", "All connections to the database are busy; try again");
}
