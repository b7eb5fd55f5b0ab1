import process from "node:process";
import { withDatabase } from "../../database/connect.ts";
import { withClient } from "../../database/open_client.ts";
import { actingAs } from "../../database/urls.ts";
import { giveUpPrograms } from "../../shared/give_up_programs.ts";
import { makeLog } from "../../shared/log.ts";
import { listenForStop } from "../../shared/process.ts";
import { readSettings, type Settings } from "../../shared/settings.ts";
import type { CommandContext, Work } from "./command.ts";
import { explainConstraint, type Failure, toFailure } from "./failure.ts";

/**
 * Runs the work of a command on the database and prints its answer, or why there is none.
 *
 * @param json whether to print JSON
 * @returns whether it succeeded
 */
export async function runCommand(work: Work, json: boolean): Promise<boolean> {
  try {
    const settings = readSettings();
    const stopped = listenForStop().first.then((reason) => {
      throw new Error(`Interrupted by ${reason}`);
    });
    stopped.catch(() => {});
    await giveUpPrograms(settings);
    const answer = await withDatabase(
      settings,
      makeLog(settings.logLevel),
      // Through here, so that an embedded database that was started for this call is stopped
      (adminUrl) => Promise.race([work(makeContext(settings, adminUrl)), stopped]),
    );
    if (json) console.log(JSON.stringify(answer.result, null, 2));
    else if (answer.text !== null) console.log(answer.text);
    return !answer.failed;
  } catch (error) {
    printFailure(toFailure(error), json);
    return false;
  }
}

/** Says why a command failed: to people, and with --json also to scripts. */
export function printFailure(failure: Failure, json: boolean): void {
  if (json) console.log(JSON.stringify({ error: failure }, null, 2));
  process.stderr.write(`${failure.message}\n`);
}

function makeContext(settings: Settings, adminUrl: string): CommandContext {
  return {
    settings,
    adminUrl,
    connect: (role, use) =>
      withClient(
        role === "owner" ? actingAs(adminUrl, "curestry_owner") : adminUrl,
        (client) => use(client).catch((error) => explainConstraint(client, error)),
      ),
  };
}
