import type { Command } from "commander";
import type { Answer, CommandContext, Run } from "../shared/command.ts";
import { type Check, diagnose } from "./checks.ts";
import { readSecurityFindings } from "./security.ts";
import type { SecurityFinding } from "./security_finding.ts";

/** `curestry doctor` */
export function addDoctor(parent: Command, run: Run): void {
  parent.command("doctor")
    .description("check what an operator should know of, and say what to do about it")
    .option("--security", "only what makes the database unsafe, or unlike the rest of it")
    .action(({ security }: { security?: boolean }) => run(security ? checkSecurity : checkAll));
}

async function checkSecurity(context: CommandContext): Promise<Answer> {
  const findings = await readSecurityFindings(context);
  const ok = findings.length === 0;
  return {
    result: { ok, findings },
    text: ok ? "The database keeps all rules of security" : describeFindings(findings),
    failed: !ok,
  };
}

async function checkAll(context: CommandContext): Promise<Answer> {
  const checks = await diagnose(context);
  const ok = checks.every(({ status }) => status !== "fail");
  return {
    result: { ok, checks },
    text: checks.map(describeCheck).join("\n"),
    failed: !ok,
  };
}

function describeCheck({ name, status, message, cure }: Check): string {
  const line = `${status.padEnd(4)}  ${name}: ${message}`;
  return cure === null ? line : `${line}\n      → ${cure}`;
}

/** The findings of a rule under its cure, which they share. */
function describeFindings(findings: SecurityFinding[]): string {
  const rules = [...Map.groupBy(findings, ({ rule }) => rule)].map(([rule, found]) =>
    `Not so: ${rule}
${found.map(({ object }) => `  ${object}`).join("\n")}
  → ${found[0]?.cure}`
  );
  return rules.join("\n\n");
}
