import { readFile } from "node:fs/promises";
import type { Client } from "pg";
import type { CommandContext } from "../shared/command.ts";
import { compareCatalogue } from "./compare_catalogue.ts";
import type { SecurityFinding } from "./security_finding.ts";

/**
 * What is unsafe: what `app.security_findings()` finds, logins that could get past the rules, and where
 * the database is not what the migrations make.
 */
export async function readSecurityFindings(
  { connect }: CommandContext,
): Promise<SecurityFinding[]> {
  return await connect("owner", async (client) => {
    const { rows } = await client.query<SecurityFinding>(
      "select rule, object, cure from app.security_findings()",
    );
    return [...rows, ...await findChanges(client)];
  });
}

/** The findings that ask no function of ours in the database: it might have been replaced. */
export async function findChanges(client: Client): Promise<SecurityFinding[]> {
  const url = new URL("../../database/read_login_findings.sql", import.meta.url);
  const { rows } = await client.query<SecurityFinding>(await readFile(url, "utf8"));
  return [...rows, ...await compareCatalogue(client)];
}
