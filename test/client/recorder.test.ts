import fc from "fast-check";
import { expect, test } from "vitest";
import { createClient, type Outcome } from "../../src/client/mod.ts";
import { answerError, answerJson, startFakeGateway } from "./fake_gateway.ts";

interface Item {
  idempotencyKey: string;
  promptContent: string;
}

/** What a real gateway does with items: by their keys. */
function makeStore() {
  /** By key; how often each content was stored. */
  const stored = new Map<string, string>();
  const contents = new Map<string, number>();
  function store({ idempotencyKey, promptContent }: Item): Outcome {
    const known = stored.get(idempotencyKey);
    if (known === promptContent) {
      return { outcome: "unchanged", analysisRunId: idempotencyKey, message: null };
    }
    if (known !== undefined) return { outcome: "conflict", analysisRunId: null, message: "known" };
    stored.set(idempotencyKey, promptContent);
    contents.set(promptContent, (contents.get(promptContent) ?? 0) + 1);
    return { outcome: "inserted", analysisRunId: idempotencyKey, message: null };
  }
  return { contents, store };
}

const fault = fc.constantFrom(
  "none",
  "none",
  "refused before",
  "lost before",
  "lost after",
  "unavailable after",
  "over budget",
  "proxy",
);

test("whatever the network and the gateway do, nothing is lost and nothing doubled", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 40 }),
      fc.array(fc.record({ keyed: fc.boolean(), flush: fc.boolean() }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 10 }),
      async (faults, plan, maxBatch, mostTaken) => {
        const { contents, store } = makeStore();
        let underWay = 0;
        await using gateway = await startFakeGateway(({ variables }, response, number) => {
          const items = variables["items"] as Item[];
          expect(items.length).toBeLessThanOrEqual(maxBatch);
          expect(++underWay).toBe(1);
          response.on("close", () => underWay--);
          if (items.length > mostTaken) return answerError(response, "LIMIT", 400);
          const happens = faults[number - 1] ?? "none";
          if (happens === "refused before") return answerError(response, "UNAVAILABLE", 503);
          if (happens === "over budget") {
            return answerError(response, "LIMIT", 429, { "retry-after": "0" });
          }
          if (happens === "proxy") return response.writeHead(504).end("gateway time-out");
          if (happens === "lost before") return response.destroy();
          const result = items.map(store);
          if (happens === "lost after") return response.destroy();
          if (happens === "unavailable after") return answerError(response, "UNAVAILABLE", 503);
          answerJson(response, { data: { recordAnalyses: { result } } });
        });
        const client = createClient({ url: gateway.url, pause: () => Promise.resolve() });
        const recorder = client.recorder({ maxBatch, maxWaitMs: 0, maxQueued: 20 });
        const outcomes: Promise<Outcome>[] = [];
        for (const [index, { keyed, flush }] of plan.entries()) {
          await recorder.ready();
          expect(recorder.queued).toBeLessThan(20);
          const promptContent = `content ${index}`;
          outcomes.push(recorder.record({
            promptContent,
            ...(keyed ? { idempotencyKey: `key ${index}` } : {}),
          }));
          if (flush) await recorder.flush();
        }
        await recorder.close();
        expect(recorder.queued).toBe(0);
        const found = await Promise.all(outcomes);
        expect(found.every(({ outcome }) => /inserted|unchanged/.test(outcome))).toBe(
          true,
        );
        // Only where an answer was lost had an item been recorded before
        if (!faults.some((one) => one.endsWith("after"))) {
          expect(found.every(({ outcome }) => outcome === "inserted")).toBe(true);
        }
        expect([...contents]).toEqual(plan.map((_, index) => [`content ${index}`, 1]));
      },
    ),
    { numRuns: 60 },
  );
});

test("items wait for each other, and go in full batches in their order", async () => {
  const { store } = makeStore();
  await using gateway = await startFakeGateway(({ variables }, response) => {
    const result = (variables["items"] as Item[]).map(store);
    answerJson(response, { data: { recordAnalyses: { result } } });
  });
  const recorder = createClient({ url: gateway.url }).recorder({ maxBatch: 10, maxWaitMs: 1e9 });
  const outcomes = Array.from(
    { length: 25 },
    (_, index) => recorder.record({ idempotencyKey: `${index}`, promptContent: "x" }),
  );
  await Promise.all(outcomes.slice(0, 20));
  expect(recorder.queued).toBe(5);
  await recorder.close();
  expect((await Promise.all(outcomes)).map(({ analysisRunId }) => Number(analysisRunId)))
    .toEqual(Array.from({ length: 25 }, (_, index) => index));
  expect(gateway.requests.map(({ variables }) => (variables["items"] as Item[]).length))
    .toEqual([10, 10, 5]);
  await expect(recorder.record({ promptContent: "late" })).rejects.toThrow("closed");
});

test("an item that is too large by itself is refused, and no other one", async () => {
  const { store } = makeStore();
  await using gateway = await startFakeGateway(({ variables }, response) => {
    const items = variables["items"] as Item[];
    if (items.some(({ promptContent }) => promptContent === "huge")) {
      return answerError(response, "LIMIT", 413);
    }
    answerJson(response, { data: { recordAnalyses: { result: items.map(store) } } });
  });
  const recorder = createClient({ url: gateway.url }).recorder();
  const outcomes = ["a", "b", "huge", "c"].map((promptContent) =>
    recorder.record({ promptContent })
  );
  const settled = Promise.allSettled(outcomes);
  await recorder.close();
  expect(
    (await settled).map((one) => one.status === "fulfilled" ? one.value.outcome : one.reason.code),
  ).toEqual(["inserted", "inserted", "LIMIT", "inserted"]);
});

test("a request stays within its bytes", async () => {
  const { store } = makeStore();
  await using gateway = await startFakeGateway(({ variables }, response) => {
    const result = (variables["items"] as Item[]).map(store);
    answerJson(response, { data: { recordAnalyses: { result } } });
  });
  const recorder = createClient({ url: gateway.url }).recorder({ maxBatchBytes: 3_000 });
  for (let number = 0; number < 10; number++) {
    void recorder.record({ promptContent: "ä".repeat(600) });
  }
  await recorder.close();
  expect(gateway.requests.map(({ variables }) => (variables["items"] as Item[]).length))
    .toEqual([2, 2, 2, 2, 2]);
});

test("a refusal of all rejects all, once; whoever gives up gets no outcome", async () => {
  await using gateway = await startFakeGateway((_, response, number) => {
    if (number === 1) answerError(response, "FORBIDDEN", 200);
    else answerError(response, "UNAVAILABLE", 503, { "retry-after": "86400" });
  });
  const leave = new AbortController();
  const recorder = createClient({ url: gateway.url }).recorder({
    signal: leave.signal,
    maxBatch: 2,
  });
  const refused = await Promise.allSettled(
    ["a", "b"].map((promptContent) => recorder.record({ promptContent })),
  );
  expect(refused.map((one) => one.status === "rejected" && one.reason.code))
    .toEqual(["FORBIDDEN", "FORBIDDEN"]);
  expect(gateway.requests).toHaveLength(1);
  const outcomes = ["c", "d", "e"].map((promptContent) => recorder.record({ promptContent }));
  const settled = Promise.allSettled(outcomes);
  leave.abort(new Error("shutting down"));
  expect((await settled).map((one) => one.status === "rejected" && one.reason.message))
    .toEqual(Array(3).fill("shutting down"));
  await expect(recorder.ready()).rejects.toThrow("shutting down");
  await recorder.close();
});
