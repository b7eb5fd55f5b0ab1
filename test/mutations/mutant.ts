/** One broken rule. */
export interface Mutant {
  /** What is broken, and how: the key of results and of `accepted.json`. */
  name: string;
  kind: "policy" | "trigger" | "constraint" | "function" | "view";
  /** Breaks the rule in a migrated database, as an administrator. */
  statement: string;
  /** The table, view or function whose rule it is, with its schema. */
  object: string;
  /** Of a condition: its text, and what is around it. */
  broken?: string;
  before?: string;
  after?: string;
}
