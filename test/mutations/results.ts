import { appendFile, readFile } from "node:fs/promises";

/** What became of a mutant. */
export interface Result {
  name: string;
  /** "refused": PostgreSQL does not take the statement, so nobody can break the rule like this. */
  outcome: "killed" | "survived" | "refused";
  /** The test file that noticed, its test, and what it said. */
  file?: string;
  test?: string;
  /** Of the test, or of PostgreSQL. */
  message?: string;
  /** How many test files were there to notice it. */
  files?: number;
  seconds: number;
}

/** The results of earlier runs, the newest of each mutant; none if there is no such file. */
export async function readResults(file: string): Promise<Map<string, Result>> {
  const text = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const results: Result[] = text.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  return new Map(results.map((result) => [result.name, result]));
}

/** Adds one result to a file, at once: a run that is stopped loses none. */
export async function appendResult(file: string, result: Result): Promise<void> {
  await appendFile(file, `${JSON.stringify(result)}\n`);
}
