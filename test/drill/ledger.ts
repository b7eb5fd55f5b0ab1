/** What was sent, and whether somebody was told that it is stored. */
export interface Ledger {
  /** By idempotency key. */
  analyses: Map<string, Sent & { value: number }>;
  /** By name, which is sent once. */
  prompts: Map<string, Sent>;
  /** Answers that a right gateway does not give: rows of others, a batch that is half there. */
  wrong: string[];
}

/** One thing that was sent. */
export interface Sent {
  organizationId: string;
  acknowledged: boolean;
}

/** A ledger without entries. */
export function makeLedger(): Ledger {
  return { analyses: new Map(), prompts: new Map(), wrong: [] };
}
