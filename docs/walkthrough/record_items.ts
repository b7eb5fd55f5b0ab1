/**
 * Records the items of a file, one a line, in batches. Prints what became of them, as JSON. It can be run
 * again: what is recorded already is recognised by its idempotency key.
 *
 *   deno run -R -E -N docs/walkthrough/record_items.ts items.jsonl
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { ask } from "./api.ts";

const BATCH = 100;

const [file = ""] = process.argv.slice(2);
const lines = (await readFile(file, "utf8")).trim().split("\n");
const summary = {
  read: lines.length,
  inserted: 0,
  unchanged: 0,
  refused: [] as { line: number; reason: string }[],
};
const items: { line: number; item: unknown }[] = [];
lines.forEach((line, index) => {
  try {
    items.push({ line: index + 1, item: JSON.parse(line) });
  } catch (error) {
    summary.refused.push({ line: index + 1, reason: (error as Error).message });
  }
});
for (let start = 0; start < items.length; start += BATCH) {
  const batch = items.slice(start, start + BATCH);
  const { recordAnalyses: { result } } = await ask<
    { recordAnalyses: { result: { outcome: string; message: string | null }[] } }
  >(
    `mutation ($items: [AnalysisItemInput!]!) {
      recordAnalyses(input: { items: $items }) { result { outcome analysisRunId message } }
    }`,
    { items: batch.map(({ item }) => item) },
  );
  // The answers stand in the order of the items
  result.forEach(({ outcome, message }, index) => {
    if (outcome === "inserted" || outcome === "unchanged") summary[outcome]++;
    else summary.refused.push({ line: batch[index]?.line ?? 0, reason: `${outcome}: ${message}` });
  });
}
summary.refused.sort((a, b) => a.line - b.line);
console.log(JSON.stringify(summary, null, 2));
