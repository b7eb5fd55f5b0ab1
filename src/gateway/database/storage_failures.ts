import pg from "pg";

/** What the database refuses because of its machine, as health reports say it. */
export interface StorageFailures {
  /** Notes an error of the database, if it is one of these. */
  note(error: pg.DatabaseError): void;
  /** What failed just now, or null. */
  readonly problem: string | null;
}

/** How long a failure counts: it ends by itself, and nobody says when. */
const countsForMs = 15_000;

const problems: Readonly<Record<string, string>> = {
  "53100": "writes fail: the disk of the database is full",
  "53200": "requests fail: the database is out of memory",
  "58030": "requests fail: the database cannot read or write its files",
};

/** Makes the memory of one gateway: the database answers all questions of health while its disk is full. */
export function makeStorageFailures(): StorageFailures {
  let last: { problem: string; at: number } | null = null;
  return {
    note(error) {
      const problem = problems[error.code ?? ""];
      if (problem !== undefined) last = { problem, at: performance.now() };
    },
    get problem() {
      return last !== null && performance.now() - last.at < countsForMs ? last.problem : null;
    },
  };
}
