import { createHash } from "node:crypto";
import type { Logger } from "pino";
import type { RateLimit } from "../shared/settings.ts";
import { pause } from "../shared/pause.ts";
import type { BesideQueries } from "./database/beside_queries.ts";
import { makeExpiringCache } from "./expiring_cache.ts";

/** Whose budgets a request is charged to. */
export interface Payer {
  /** An API key or a session. */
  key: string;
  organization: string;
}

/** Where a payer stands after a charge, in cost and seconds. */
export interface Balance {
  /** Per minute. */
  limit: number;
  remaining: number;
  /** Until the whole budget is there again. */
  resetSeconds: number;
  /** Until the operation may be tried again; null: it was paid. */
  retrySeconds: number | null;
}

/** Budgets of keys and organizations, in cost per minute. */
export interface Budgets {
  /** Charges an operation, to all of its budgets or to none. Answers the one with the least left. */
  charge(payer: Payer, cost: number, records: boolean): Promise<Balance>;
  /** Charges the key for an attempt that was refused, whether it can pay or not. */
  owe(payer: Payer, cost: number): void;
  /** How long the key has to wait because of what it owes; 0 if it owes nothing. */
  debtSeconds(payer: Payer): number;
  /** Tells the other gateways what was charged here, and ends. */
  stop(): Promise<void>;
}

/** A bucket that fills up again within a minute. */
interface Bucket {
  limit: number;
  level: number;
  at: number;
  /** Charged here, and not known to the other gateways yet. */
  untold: number;
  /** Until when it is known that no other gateway charges it. */
  ownUntil: number;
}

const windowMs = 60_000;
/** Full buckets are forgotten when there are more. */
const maxBuckets = 20_000;
/** What was charged is told to the other gateways after this time, */
const tellAfterMs = 250;
/** or at once when it is more than this part of a budget. */
const tellFromPart = 0.01;
/** A request waits for what the others have charged when more than this part is untold. */
const waitFromPart = 0.02;
/** A budget that no other gateway charged within the last minute is taken for our own for so long. */
const ownForMs = 1_000;
const forgetIntervalMs = 60_000;

/**
 * Makes the budgets of one gateway: token buckets in its memory, which it shares with other gateways
 * through the database, beside the requests: what is charged at the same moment may be 2 % of a budget too
 * much for each gateway. Without the database each counts for itself.
 *
 * @param beside null: there are no other gateways
 * @param options `now`: milliseconds of a clock that does not go back; `maxWaitMs`: how long a request
 * waits for what the others have charged
 */
export function makeBudgets(
  limits: RateLimit,
  beside: BesideQueries | null,
  log: Logger,
  options: { now?: () => number; maxWaitMs?: number } = {},
): Budgets {
  const { now = () => performance.now(), maxWaitMs = 100 } = options;
  const gatewayId = crypto.randomUUID();
  const buckets = new Map<string, Bucket>();
  /** The names of buckets, by what they are made of. */
  const digests = makeExpiringCache<string>(maxBuckets);
  /** Names of buckets whose state is to be exchanged. */
  let changed = new Set<string>();
  let underWay: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isAlone = false;
  let isStopped = false;
  const forgetTimer = beside && setInterval(() => {
    beside.query("select app.request_budget_forget()").catch(() => {});
  }, forgetIntervalMs);

  function open(name: string, limit: number): Bucket {
    let bucket = buckets.get(name);
    if (bucket === undefined) {
      if (buckets.size >= maxBuckets) forgetFull();
      bucket = { limit, level: limit, at: now(), untold: 0, ownUntil: -Infinity };
      buckets.set(name, bucket);
    }
    fill(bucket);
    return bucket;
  }

  function fill(bucket: Bucket): void {
    const at = now();
    bucket.level = Math.min(
      bucket.limit,
      bucket.level + (at - bucket.at) * bucket.limit / windowMs,
    );
    bucket.at = at;
  }

  /** One that nobody has used for a minute is full. */
  function forgetFull(): void {
    for (const [name, { at }] of buckets) if (now() - at >= windowMs) buckets.delete(name);
  }

  /** Tells what was charged, and learns what others have charged. Never throws. */
  async function exchange(): Promise<void> {
    const told = [...changed].flatMap((name) => {
      const bucket = buckets.get(name);
      return bucket ? [{ name, bucket, amount: bucket.untold }] : [];
    });
    changed = new Set();
    try {
      const { rows } = await beside!.query<{ budget: string; level: number; is_shared: boolean }>(
        "select * from app.request_budget_exchange($1, $2, $3, $4)",
        [
          gatewayId,
          told.map(({ name }) => name),
          told.map(({ bucket }) => bucket.limit),
          told.map(({ amount }) => amount),
        ],
      );
      const found = new Map(rows.map((row) => [row.budget, row]));
      for (const { name, bucket, amount } of told) {
        const row = found.get(name);
        if (row === undefined) continue;
        bucket.untold -= amount;
        // What was charged here meanwhile is not in it
        bucket.level = row.level - bucket.untold;
        bucket.at = now();
        bucket.ownUntil = row.is_shared ? -Infinity : now() + ownForMs;
      }
      isAlone = false;
    } catch (error) {
      for (const { name } of told) changed.add(name);
      if (!isAlone) log.warn({ err: error }, "Budgets are not shared with other gateways");
      isAlone = true;
    }
  }

  /** Begins an exchange, after the one under way, which may not have all of it. */
  function exchangeNow(): Promise<void> {
    if (underWay === null) {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      underWay = exchange().finally(() => {
        underWay = null;
        if (next === null && changed.size > 0 && !isStopped) exchangeSoon();
      });
      return underWay;
    }
    next ??= underWay.then(() => {
      next = null;
      return exchangeNow();
    });
    return next;
  }

  function exchangeSoon(): void {
    timer ??= setTimeout(() => {
      timer = null;
      exchangeNow();
    }, tellAfterMs);
  }

  async function exchangeInTime(): Promise<void> {
    const waiting = new AbortController();
    exchangeNow().then(() => waiting.abort());
    await pause(maxWaitMs, waiting.signal);
  }

  function find(name: string, limit: number): { name: string; bucket: Bucket; limit: number } {
    let digest = digests.get(name);
    if (digest === undefined) {
      digests.set(name, digest = createHash("sha256").update(name).digest("base64url"));
    }
    return { name: digest, bucket: open(digest, limit), limit };
  }

  return {
    async charge({ key, organization }, cost, records) {
      const kind = records ? "recording" : "other";
      const charged = [
        find(`${kind} key ${key}`, records ? limits.recording : limits.key),
        find(
          `${kind} organization ${organization}`,
          records ? limits.recording : limits.organization,
        ),
        // What costs more than there can be is paid with all that there can be
      ].map((found) => ({ ...found, cost: Math.min(cost, found.limit) }));
      // In seconds, at least: others may have charged more than is known here
      const wait = () =>
        Math.max(
          ...charged.map(({ bucket, limit, cost }) =>
            (cost - bucket.level) * windowMs / limit / 1000
          ),
        );
      function add(sign: 1 | -1): void {
        for (const { name, bucket, cost } of charged) {
          bucket.level -= sign * cost;
          bucket.untold += sign * cost;
          changed.add(name);
        }
      }
      let isPaid = wait() <= 0;
      if (isPaid) add(1);
      if (isPaid && beside !== null && !isStopped) {
        const isUntold = (part: number, which = charged) =>
          !isAlone && which.some(({ bucket, limit }) => bucket.untold > part * limit);
        if (isUntold(waitFromPart, charged.filter(({ bucket }) => bucket.ownUntil < now()))) {
          await exchangeInTime();
          for (const { bucket } of charged) fill(bucket);
          isPaid = charged.every(({ bucket }) => bucket.level >= 0);
          if (!isPaid) add(-1);
        } else if (isUntold(tellFromPart)) exchangeNow();
        if (changed.size > 0) exchangeSoon();
      }
      const retrySeconds = isPaid ? null : Math.max(1, Math.ceil(wait()));
      const [least] = charged.toSorted((a, b) =>
        a.bucket.level / a.limit - b.bucket.level / b.limit
      );
      const { limit, bucket: { level } } = least!;
      return {
        limit,
        remaining: Math.max(0, Math.floor(level)),
        resetSeconds: Math.ceil((limit - level) * windowMs / limit / 1000),
        retrySeconds,
      };
    },

    owe({ key }, cost) {
      const { name, bucket, limit } = find(`other key ${key}`, limits.key);
      const owed = Math.min(cost, bucket.level + limit);
      bucket.level -= owed;
      bucket.untold += owed;
      changed.add(name);
      if (beside !== null && !isStopped) exchangeSoon();
    },

    debtSeconds({ key }) {
      const { bucket, limit } = find(`other key ${key}`, limits.key);
      return bucket.level >= 0 ? 0 : Math.ceil(-bucket.level * windowMs / limit / 1000);
    },

    async stop() {
      isStopped = true;
      if (forgetTimer !== null) clearInterval(forgetTimer);
      if (beside !== null && changed.size > 0) await exchangeNow();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
