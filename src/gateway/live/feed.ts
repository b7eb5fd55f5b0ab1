import type { Logger } from "pino";
import { GatewayError } from "../gateway_error.ts";
import { type Change, changesOfAPage, type ChangeSource, type Seen } from "./change_source.ts";

/** Changes that were committed since the last look, or a page of them. */
export interface Batch {
  /** Counts the looks. */
  turn: number;
  since: Seen;
  until: Seen;
  changes: readonly Change[];
  /** Whether no more of the same look come. */
  isLast: boolean;
}

/** Whom the feed tells. */
export interface FeedListener {
  /** Whose changes are wanted. */
  organizations(): readonly string[];
  onChanges(batch: Batch): void;
  /** The database was restored: what was told before belongs to another history. */
  onOtherHistory(): void;
}

/** Looks for changes, for all subscribers of a gateway at once, and only while there are any. */
export interface Feed {
  /**
   * Looks now.
   *
   * @param onSeen called with what was seen, before the next changes are told
   * @throws when the database does not answer for long
   */
  look<Result>(onSeen: (seen: Seen, turn: number) => Result): Promise<Result>;
  /** For how long nothing could be read, in seconds; 0 while nobody listens. */
  readonly lagSeconds: number;
  stop(): void;
}

interface Waiting {
  serve(seen: Seen, turn: number): void;
  fail(error: unknown): void;
  until: number;
}

/** Between two looks, in milliseconds. */
const intervalMs = 250;
/** Between two attempts while the database does not answer, and how long a new subscriber waits for one. */
const retryMs = 500;
const longestWaitMs = 10_000;

/** Makes the feed of a gateway. */
export function makeFeed(source: ChangeSource, listener: FeedListener, log: Logger): Feed {
  let last: Seen | null = null;
  /** What of a look is still to be told, when the database did not answer in between. */
  let open: { until: Seen; afterSeq: string } | null = null;
  let turn = 0;
  let waiting: Waiting[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isLooking = false;
  let isStopped = false;
  let isFailing = false;
  let answeredAt = performance.now();

  async function run(): Promise<void> {
    if (isLooking || isStopped) return;
    clearTimeout(timer);
    timer = undefined;
    isLooking = true;
    const served = waiting;
    waiting = [];
    let pauseMs = intervalMs;
    try {
      const seen = await look();
      answeredAt = performance.now();
      isFailing = false;
      for (const { serve } of served) serve(seen, turn);
    } catch (error) {
      pauseMs = retryMs;
      if (!isFailing) log.warn({ err: error }, "Changes cannot be read; trying again");
      isFailing = true;
      for (const one of served) {
        if (one.until < performance.now()) one.fail(error);
        else waiting.push(one);
      }
    } finally {
      isLooking = false;
    }
    if (isStopped) return;
    if (waiting.length === 0 && listener.organizations().length === 0) last = null;
    else if (waiting.length > 0 && pauseMs === intervalMs) void run();
    else timer = setTimeout(() => void run(), pauseMs);
  }

  async function look(): Promise<Seen> {
    const since = last;
    if (since === null) {
      open = null;
      return last = await source.readPosition();
    }
    const isOld = open !== null;
    if (open === null) {
      const until = await source.readPosition();
      if (until.epoch !== since.epoch) {
        listener.onOtherHistory();
        return last = until;
      }
      if (until.snapshot === since.snapshot) return since;
      turn++;
      open = { until, afterSeq: "0" };
    }
    const { until } = open;
    for (;;) {
      const organizations = listener.organizations();
      const changes = organizations.length === 0 ? [] : await source.readChanges({
        since: since.snapshot,
        until: until.snapshot,
        afterSeq: open.afterSeq,
      }, organizations);
      const isLast = changes.length < changesOfAPage;
      if (changes.length > 0) listener.onChanges({ turn, since, until, changes, isLast });
      if (isLast) break;
      open.afterSeq = changes.at(-1)!.seq;
    }
    open = null;
    last = until;
    return isOld ? await look() : until;
  }

  return {
    look(onSeen) {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof onSeen>>();
      if (isStopped) reject(new GatewayError("UNAVAILABLE", "The gateway stops; try again"));
      else {
        if (last === null && !isLooking) answeredAt = performance.now();
        waiting.push({
          serve: (seen, turn) => resolve(onSeen(seen, turn)),
          fail: reject,
          until: performance.now() + longestWaitMs,
        });
        void run();
      }
      return promise;
    },
    get lagSeconds() {
      return last === null && waiting.length === 0 ? 0 : (performance.now() - answeredAt) / 1_000;
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const { fail } of waiting.splice(0)) {
        fail(new GatewayError("UNAVAILABLE", "The gateway stops; try again"));
      }
    },
  };
}
