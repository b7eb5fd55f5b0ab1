/**
 * Records the items of a file, one a line, in batches. Prints what became of them, as JSON. It can be run
 * again: what is recorded already is recognised by its idempotency key.
 *
 *   deno run -R -E -N docs/walkthrough/record_items.ts items.jsonl
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { client } from "./client.ts";

const [file = ""] = process.argv.slice(2);
const lines = (await readFile(file, "utf8")).trim().split("\n");
const summary = {
  read: lines.length,
  inserted: 0,
  unchanged: 0,
  refused: [] as { line: number; reason: string }[],
};
const recorder = client.recorder();
await Promise.all(lines.map(async (text, index) => {
  const line = index + 1;
  let item;
  try {
    item = JSON.parse(text);
  } catch (error) {
    summary.refused.push({ line, reason: (error as Error).message });
    return;
  }
  const { outcome, message } = await recorder.record(item);
  if (outcome === "inserted" || outcome === "unchanged") summary[outcome]++;
  else summary.refused.push({ line, reason: `${outcome}: ${message}` });
}));
summary.refused.sort((a, b) => a.line - b.line);
console.log(JSON.stringify(summary, null, 2));
