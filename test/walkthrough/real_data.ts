import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { repositoryRoot } from "../../src/shared/settings.ts";

/** Public data, not part of this repository; see its README.md. */
export const DATA: string = join(repositoryRoot, "../shared/data");

/** Whether the data is there. */
export const HAS_DATA: boolean = existsSync(join(DATA, "README.md"));

/** A line of questions.jsonl. */
export interface Question {
  question_id: number;
  text: string;
  category: string;
}

/** A line of a file of judge_reviews. */
export interface Review {
  review_id: string;
  question_id: number;
  reviewer_id: number;
  text: string;
  score: number[];
}

/** The prompts of prompts.csv. */
export function readPrompts(): { act: string; prompt: string }[] {
  return parse(readFileSync(join(DATA, "prompts.csv")), { columns: true, skip_empty_lines: true });
}

/** The questions. */
export function readQuestions(): Question[] {
  return readLines("questions.jsonl");
}

/** The name of each judge's rubric, by the number of the reviewer. */
export function readRubricNames(): Map<number, string> {
  const judges = readLines<{ prompt_id: number; description: string }>("judge_prompts.jsonl");
  return new Map(judges.map(({ prompt_id, description }) => [prompt_id, description]));
}

/** The paths of the files of reviews. */
export function reviewFiles(): string[] {
  return readdirSync(join(DATA, "judge_reviews")).sort().map((name) =>
    join(DATA, "judge_reviews", name)
  );
}

/** The reviews of one file. */
export function readReviews(file: string): Review[] {
  return readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
}

function readLines<T>(name: string): T[] {
  return readFileSync(join(DATA, name), "utf8").trim().split("\n").map((line) => JSON.parse(line));
}
