import type { CommandContext } from "../shared/command.ts";

/** A breach of a rule that the whole database keeps. */
export interface SecurityFinding {
  rule: string;
  /** What breaks it. */
  object: string;
  /** What to do. */
  cure: string;
}

/** What `app.security_findings()` finds now. */
export async function readSecurityFindings(
  { connect }: CommandContext,
): Promise<SecurityFinding[]> {
  const { rows } = await connect(
    "owner",
    (client) =>
      client.query<SecurityFinding>("select rule, object, cure from app.security_findings()"),
  );
  return rows;
}
