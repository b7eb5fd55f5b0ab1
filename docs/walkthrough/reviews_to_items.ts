/**
 * Turns the lines of a file of reviews into items of recordAnalyses, one a line, on standard output. A
 * line that is no JSON is passed on as it is: so the numbers of the lines stay the same, and whoever
 * reads them refuses the broken one.
 *
 *   deno run -R -E -N docs/walkthrough/reviews_to_items.ts reviews.jsonl --day 2023-03-22 > items.jsonl
 *
 * Reviews bear no time; each is given one on the day that is named.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { documents } from "../../src/client/mod.ts";
import { client } from "./client.ts";

interface Review {
  review_id: string;
  question_id: number;
  answer1_id: string;
  answer2_id: string;
  /** 1, 2 or 3: the judge for general questions, coding, mathematics; each has its own rubric. */
  reviewer_id: number;
  text: string;
  /** One per answer. */
  score: [number, number];
}

const { values: { day }, positionals: [file = ""] } = parseArgs({
  allowPositionals: true,
  options: { day: { type: "string", default: "2023-03-22" } },
});
const prompts = await readPrompts();
const rubrics = await readRubrics();
for (const line of (await readFile(file, "utf8")).trim().split("\n")) {
  let review: Review;
  try {
    review = JSON.parse(line);
  } catch {
    console.log(line);
    continue;
  }
  console.log(JSON.stringify(toItem(review)));
}

function toItem(review: Review): Record<string, unknown> {
  const { review_id, question_id, reviewer_id, answer1_id, answer2_id, text, score } = review;
  return {
    idempotencyKey: review_id,
    promptId: prompts.get(question_id),
    finishedAt: new Date(Date.parse(day) + question_id * 10 * 60_000),
    meta: { answer1_id, answer2_id },
    metrics: [
      { key: "length_chars", valueNum: [...text].length },
      { key: "length_words", valueNum: text.match(/\S+/g)?.length ?? 0 },
    ],
    scores: score.map((number, index) => ({
      rubric: rubrics.get(reviewer_id),
      criterion: `answer_${index + 1}`,
      score: number,
      comment: text,
    })),
  };
}

/** The ids of the questions' prompts. */
async function readPrompts(): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for await (const { id, extraMetadata } of client.rows(documents.prompts, { first: 100 })) {
    const { question_id } = extraMetadata as { question_id?: number };
    if (question_id !== undefined) found.set(question_id, id);
  }
  return found;
}

/** The names of the judges' rubrics. */
async function readRubrics(): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for await (const { name, meta } of client.rows(documents.judgeRubrics)) {
    found.set((meta as { prompt_id: number }).prompt_id, name);
  }
  return found;
}
