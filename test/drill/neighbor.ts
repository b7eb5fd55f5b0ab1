import { Worker } from "node:worker_threads";
import { describeOutcomes, type Outcome } from "./asking.ts";
import { formatMs, type Time } from "./fault.ts";
import type { Client, DrillGateway } from "./installation.ts";

/** What an organization beside the attacked one saw. */
export interface NeighborSaw {
  livez: Map<Outcome, number>;
  livezMs: number;
  answers: Map<Outcome, number>;
  answersMs: number;
}

/** What was promised to the neighbours of an attack. */
export const NEIGHBOR_PROMISE = "others are answered (200 ms), and so is /livez (50 ms)";

/**
 * Asks a gateway small things while something happens, in a thread of its own, so that what the drill
 * itself does is not measured.
 */
export async function withNeighbor(
  { url }: DrillGateway,
  { key }: Client,
  work: () => Promise<void>,
): Promise<NeighborSaw> {
  const worker = new Worker(new URL("./neighbor_thread.ts", import.meta.url), {
    workerData: { url, key },
  });
  const saw = Promise.withResolvers<NeighborSaw>();
  const begun = Promise.withResolvers<void>();
  worker.on("error", saw.reject);
  worker.on("message", (message: NeighborSaw | "begun") => {
    if (message === "begun") begun.resolve();
    else saw.resolve(message);
  });
  try {
    await Promise.race([begun.promise, saw.promise]);
    await work();
    worker.postMessage("stop");
    return await saw.promise;
  } finally {
    await worker.terminate();
  }
}

/** The times that are promised to neighbours. */
export function neighborTimes({ livezMs, answersMs }: NeighborSaw): Time[] {
  return [
    { what: "the slowest answer to others", ms: answersMs, promisedMs: 200 },
    { what: "the slowest /livez", ms: livezMs, promisedMs: 50 },
  ];
}

/** Whether every answer was right. */
export function isUndisturbed({ livez, answers }: NeighborSaw): boolean {
  return [livez, answers].every((outcomes) => outcomes.size === 1 && outcomes.has("200"));
}

/** What the neighbour saw, in words. */
export function describeNeighbor({ livez, livezMs, answers, answersMs }: NeighborSaw): string {
  return `others: ${describeOutcomes(answers)}, slowest ${formatMs(answersMs)}; ` +
    `/livez: ${describeOutcomes(livez)}, slowest ${formatMs(livezMs)}`;
}
