import process from "node:process";
import { CommanderError } from "commander";
import { toFailure } from "./failure.ts";
import { makeProgram } from "./make_program.ts";
import { printFailure, runCommand } from "./run_command.ts";

/** Exit codes of the contract. */
const DONE = 0;
const FAILED = 1;
const BAD_USAGE = 2;

/**
 * `deno task curestry`: runs the command that the arguments name.
 *
 * @returns the exit code
 */
async function main(args: string[]): Promise<number> {
  const json = args.includes("--json");
  let code = DONE;
  const program = makeProgram(async (work) => {
    code = await runCommand(work, json) ? DONE : FAILED;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      printFailure(toFailure(error), json);
      return FAILED;
    }
    // Help and version that were asked for, and printed
    if (error.exitCode === 0) return DONE;
    const message = error.message.replace(/^error: /, "").replace(/^\(outputHelp\)$/, "No command");
    if (json) console.log(JSON.stringify({ error: { code: "USAGE", message } }, null, 2));
    return BAD_USAGE;
  }
}

process.exit(await main(process.argv.slice(2)));
