import type { RateLimit } from "../shared/settings.ts";

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
  charge(payer: Payer, cost: number, records: boolean): Balance;
}

/** A bucket that fills up again within a minute. */
interface Bucket {
  level: number;
  at: number;
}

const windowMs = 60_000;
/** Full buckets are forgotten when there are more. */
const maxBuckets = 20_000;

/**
 * Makes the budgets of one gateway: token buckets in its memory, so that no request waits for them.
 *
 * @param now milliseconds of a clock that does not go back
 */
export function makeBudgets(
  limits: RateLimit,
  now: () => number = () => performance.now(),
): Budgets {
  const buckets = new Map<string, Bucket>();

  function open(name: string, limit: number): Bucket {
    let bucket = buckets.get(name);
    const at = now();
    if (bucket === undefined) {
      if (buckets.size >= maxBuckets) forgetFull();
      buckets.set(name, bucket = { level: limit, at });
    }
    bucket.level = Math.min(limit, bucket.level + (at - bucket.at) * limit / windowMs);
    bucket.at = at;
    return bucket;
  }

  /** One that nobody has used for a minute is full. */
  function forgetFull(): void {
    for (const [name, { at }] of buckets) if (now() - at >= windowMs) buckets.delete(name);
  }

  return {
    charge({ key, organization }, cost, records) {
      const kind = records ? "recording" : "other";
      const charged = [
        [`${kind} key ${key}`, records ? limits.recording : limits.key],
        [`${kind} organization ${organization}`, records ? limits.recording : limits.organization],
      ].map(([name, limit]) => {
        const bucket = open(String(name), Number(limit));
        // What costs more than there can be is paid with all that there can be
        return { bucket, limit: Number(limit), cost: Math.min(cost, Number(limit)) };
      });
      const waits = charged.map(({ bucket, limit, cost }) =>
        (cost - bucket.level) * windowMs / limit / 1000
      );
      const wait = Math.max(...waits);
      if (wait <= 0) { for (const { bucket, cost } of charged) bucket.level -= cost; }
      const [least] = charged.toSorted((a, b) =>
        a.bucket.level / a.limit - b.bucket.level / b.limit
      );
      const { limit, bucket: { level } } = least!;
      return {
        limit,
        remaining: Math.max(0, Math.floor(level)),
        resetSeconds: Math.ceil((limit - level) * windowMs / limit / 1000),
        retrySeconds: wait <= 0 ? null : Math.ceil(wait),
      };
    },
  };
}
