import process from "node:process";
import { CommanderError } from "commander";
import { makeProgram } from "../cli/make_program.ts";
import { toFailure } from "../cli/shared/failure.ts";
import { printFailure, runCommand } from "../cli/shared/run_command.ts";

/** Exit codes. */
const doneExitCode = 0;
const failedExitCode = 1;
const badUsageExitCode = 2;

/**
 * `deno task curestry`: runs the command that the arguments name.
 *
 * @returns the exit code
 */
async function main(args: string[]): Promise<number> {
  const json = args.includes("--json");
  let code = doneExitCode;
  const program = makeProgram(async (work) => {
    code = await runCommand(work, json) ? doneExitCode : failedExitCode;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      printFailure(toFailure(error), json);
      return failedExitCode;
    }
    // Help and version that were asked for, and printed
    if (error.exitCode === 0) return doneExitCode;
    const message = error.message.replace(/^error: /, "").replace(/^\(outputHelp\)$/, "No command");
    if (json) console.log(JSON.stringify({ error: { code: "USAGE", message } }, null, 2));
    return badUsageExitCode;
  }
}

process.exit(await main(process.argv.slice(2)));
