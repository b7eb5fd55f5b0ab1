/** A breach of a rule that the whole database keeps. */
export interface SecurityFinding {
  rule: string;
  /** What breaks it. */
  object: string;
  /** What to do. */
  cure: string;
}
