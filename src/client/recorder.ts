import { CurestryError } from "./error.ts";
import { recordAnalyses } from "./generated/documents.ts";
import type { RecordAnalysesResult } from "./generated/documents.ts";
import type { AnalysisItemInput } from "./generated/types.ts";
import { type RetryOptions, withRetry } from "./retry.ts";
import type { Transport } from "./transport.ts";

/** What became of an item. */
export type Outcome = NonNullable<RecordAnalysesResult["recordAnalyses"]>["result"][number];

/** How a recorder collects. */
export interface RecorderOptions {
  /** Items of one request, at most 1000; 100. */
  maxBatch?: number;
  /** Bytes of one request; 1 MiB. */
  maxBatchBytes?: number;
  /** How long an item waits for others; 50 ms. */
  maxWaitMs?: number;
  /** With so many items without an outcome, `ready` waits; 10,000. */
  maxQueued?: number;
  /** When to try again. Without `attempts` a recorder tries until it succeeds or is aborted. */
  retry?: RetryOptions;
  /** Gives up: every item without an outcome is rejected with its reason. */
  signal?: AbortSignal;
}

/** Records analyses in batches, and loses none: what fails for a while is sent again, with the same key. */
export interface Recorder {
  /**
   * Records an item; one without an `idempotencyKey` gets one. Resolves when the gateway has answered:
   * also with `conflict` and `invalid`. Rejects if it refuses the whole request, because the key has no
   * permission, say. An item whose answer was lost on the way is `unchanged`: it was recorded before.
   */
  record(item: AnalysisItemInput): Promise<Outcome>;
  /** Resolves when there is room: who records without waiting for outcomes waits for this before each item. */
  ready(): Promise<void>;
  /** Sends what waits, and resolves when every item recorded so far has its outcome, good or bad. */
  flush(): Promise<void>;
  /** As `flush`, and takes no more. */
  close(): Promise<void>;
  /** Items without an outcome. */
  readonly queued: number;
}

/** An item that waits. */
interface Waiting {
  item: AnalysisItemInput;
  bytes: number;
  resolve(outcome: Outcome): void;
  reject(reason: unknown): void;
}

/** Makes a recorder; one request is under way at a time, so items are recorded in their order. */
export function makeRecorder(transport: Transport, options: RecorderOptions = {}): Recorder {
  const { maxBatch = 100, maxBatchBytes = 1024 * 1024, maxWaitMs = 50, maxQueued = 10_000 } =
    options;
  if (!(maxBatch >= 1 && maxBatch <= 1000)) throw new RangeError("maxBatch is from 1 to 1000");
  if (!(maxQueued >= 1)) throw new RangeError("maxQueued is at least 1");
  const { signal } = options;
  const retry = { ...transport.retry, attempts: Infinity, ...options.retry };
  const waiting: Waiting[] = [];
  /** One for each item without an outcome. */
  const outcomes = new Set<Promise<Outcome>>();
  let isClosed = false;
  let isSending = false;
  /** How many of those that wait are not to wait for more. */
  let hurried = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;

  signal?.addEventListener("abort", () => {
    for (const { reject } of waiting.splice(0)) reject(signal.reason);
  }, { once: true });

  function schedule(): void {
    if (isSending || waiting.length === 0) return;
    if (hurried > 0 || waiting.length >= maxBatch) void sendAll();
    else timer ??= setTimeout(() => void sendAll(), maxWaitMs);
  }

  /** Sends a batch, and goes on while there are full ones, or somebody waits for them. */
  async function sendAll(): Promise<void> {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    isSending = true;
    do {
      const batch = takeBatch();
      hurried = Math.max(0, hurried - batch.length);
      await sendBatch(batch);
    } while (waiting.length > 0 && (hurried > 0 || waiting.length >= maxBatch));
    isSending = false;
    schedule();
  }

  function takeBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const next of waiting) {
      bytes += next.bytes;
      if (count === maxBatch || (count > 0 && bytes > maxBatchBytes)) break;
      count++;
    }
    return waiting.splice(0, count);
  }

  /** Never rejects: each item learns what became of it. */
  async function sendBatch(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      signal?.throwIfAborted();
      const items = batch.map(({ item }) => item);
      const result = await withRetry(async () => {
        const { recordAnalyses: answer } = await transport.send(recordAnalyses, { items }, signal);
        if (answer?.result.length === items.length) return answer.result;
        throw new CurestryError("The answer has not an outcome for each item", {
          code: "INTERNAL",
        });
      }, { ...retry, repeatable: true, pause: transport.pause, signal });
      batch.forEach(({ resolve }, index) => resolve(result[index]!));
    } catch (error) {
      if (isTooLarge(error) && batch.length > 1) {
        const half = Math.ceil(batch.length / 2);
        await sendBatch(batch.slice(0, half));
        return await sendBatch(batch.slice(half));
      }
      for (const { reject } of batch) reject(error);
    }
  }

  async function flush(): Promise<void> {
    hurried = waiting.length;
    schedule();
    await Promise.allSettled(outcomes);
  }

  async function record(item: AnalysisItemInput): Promise<Outcome> {
    if (isClosed) throw new TypeError("The recorder is closed");
    signal?.throwIfAborted();
    // A copy: what the caller does to it afterwards changes nothing
    const text = JSON.stringify({ ...item, idempotencyKey: item.idempotencyKey ?? makeKey() });
    return await new Promise((resolve, reject) => {
      const bytes = new TextEncoder().encode(text).length;
      waiting.push({ item: JSON.parse(text), bytes, resolve, reject });
      schedule();
    });
  }

  return {
    get queued() {
      return outcomes.size;
    },
    record(item) {
      const outcome = record(item);
      outcomes.add(outcome);
      const settled = () => void outcomes.delete(outcome);
      outcome.then(settled, settled);
      return outcome;
    },
    async ready() {
      while (!signal?.aborted && outcomes.size >= maxQueued) {
        await Promise.race(outcomes).catch(() => {});
      }
      signal?.throwIfAborted();
    },
    flush,
    async close() {
      isClosed = true;
      await flush();
    },
  };
}

/** A random key; `crypto.randomUUID` is not there on pages without TLS. */
function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a smaller request may be taken. 429 is about all requests of the last minute, not about this one. */
function isTooLarge(error: unknown): boolean {
  return error instanceof CurestryError && error.status !== 429 &&
    (error.code === "LIMIT" || error.status === 413);
}
