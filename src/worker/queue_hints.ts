import type { WorkerEvents, WorkerPool } from "graphile-worker";

/**
 * Anybody who has SQL can notify on any channel, so what comes on graphile-worker's is a hint: "look
 * again", however often, whatever the payload says.
 */
export interface QueueHints {
  /** Looks at the queue, at most once in so many milliseconds. */
  lookIntervalMs: number;
  /** Looks whether a newer version has changed the queue's tables, at most once in so many milliseconds. */
  checkIntervalMs: number;
  /** How many may look at once. */
  concurrentJobs: number;
  check(): Promise<void>;
}

/**
 * Answers notifications in place of graphile-worker, which would shut down when one told it to.
 *
 * @param events of the runner; graphile-worker emits each message before it acts on it
 * @returns ends what is waiting
 */
export function takeHints(events: WorkerEvents, hints: QueueHints): () => void {
  let pool: WorkerPool | null = null;
  const look = atMostEvery(hints.lookIntervalMs, () => {
    try {
      pool?.nudge(hints.concurrentJobs);
    } catch {
      // One of its workers has ended: the queue is about to start again, and looks then
    }
  });
  const check = atMostEvery(hints.checkIntervalMs, () => void hints.check());
  events.on("pool:listen:notification", ({ message, workerPool }) => {
    pool = workerPool;
    if (message.channel === "jobs:insert") look.ask();
    else if (message.channel === "worker:migrate") check.ask();
    // A channel that graphile-worker does not know
    message.channel = "hint";
  });
  events.on("pool:gracefulShutdown", () => {
    look.end();
    check.end();
  });
  return () => {
    look.end();
    check.end();
  };
}

/** Does it at once when asked, and if it is asked again meanwhile, once more after the interval. */
function atMostEvery(intervalMs: number, act: () => void): { ask(): void; end(): void } {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isAsked = false;
  let isEnded = false;

  function begin(): void {
    isAsked = false;
    act();
    timer = setTimeout(() => {
      timer = null;
      if (isAsked) begin();
    }, intervalMs);
  }

  return {
    ask() {
      if (isEnded) return;
      isAsked = true;
      if (timer === null) begin();
    },
    end() {
      isEnded = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}
