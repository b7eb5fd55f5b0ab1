import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { count, makeAsk, type Outcome } from "./asking.ts";
import type { NeighborSaw } from "./neighbor.ts";

/** The thread of `withNeighbor`. */
const { url, key } = workerData as { url: string; key: string };
const saw: NeighborSaw = { livez: new Map(), livezMs: 0, answers: new Map(), answersMs: 0 };
const ask = makeAsk({ outcomes: new Map(), late: 0, slowestMs: 0, bad: [] }, Infinity);
let running = true;
parentPort?.on("message", () => running = false);

async function askLivez(): Promise<{ outcome: Outcome; ms: number }> {
  const from = performance.now();
  const outcome = await fetch(`${url}/livez`).then(
    async (response) => {
      await response.body?.cancel();
      return String(response.status);
    },
    () => "no connection",
  );
  return { outcome, ms: performance.now() - from };
}

const askSmall = () => ask(url, { key, query: "{ prompts(first: 1) { nodes { id } } }" });

async function loop(isNote: boolean): Promise<void> {
  while (running) {
    const [livez, answer] = await Promise.all([askLivez(), askSmall()]);
    if (isNote) {
      count(saw.livez, livez.outcome);
      count(saw.answers, answer.outcome);
      saw.livezMs = Math.max(saw.livezMs, livez.ms);
      saw.answersMs = Math.max(saw.answersMs, answer.ms);
    }
    await sleep(20);
    if (!isNote) return;
  }
}

// The first request opens a connection and plans its query
await loop(false);
parentPort?.postMessage("begun");
await loop(true);
parentPort?.postMessage(saw);
