import process from "node:process";
import { findDatabase } from "../database/connect.ts";
import { connectAs } from "../database/login.ts";
import { openClient } from "../database/open_client.ts";
import { openLogin } from "../database/open_login.ts";
import { readCheckpoints } from "../maintenance/read_checkpoints.ts";
import { giveUpPrograms } from "../shared/give_up_programs.ts";
import { makeLog } from "../shared/log.ts";
import { fail, listenForStop } from "../shared/process.ts";
import { readSettings } from "../shared/settings.ts";
import { analystLimits } from "../worker/analyst_limits.ts";
import { startWorker } from "../worker/start_worker.ts";

/** `deno task worker`: runs jobs until it is asked to stop, then finishes those in hand. */
async function main(): Promise<void> {
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  const { first: stopped } = listenForStop();
  await giveUpPrograms(settings);
  const adminUrl = await findDatabase(settings);
  if (settings.workerUrls === null && adminUrl === null) {
    throw new Error(
      "There is no database: set DATABASE_URL (or CURESTRY_WORKER_URL), or run `deno task start`, " +
        "which brings its own database and worker",
    );
  }
  const databaseUrl = await openLogin(settings, "curestry_worker", adminUrl, log);
  // Waits for a database that starts at the same moment
  await (await connectAs(databaseUrl, (url) => openClient(url, { log }))).end();
  const checkpoints = await readCheckpoints(settings);
  const worker = await startWorker({
    databaseUrl,
    log,
    checkpoints,
    times: analystLimits(settings),
  });
  log.info("The worker is ready");
  const reason = await Promise.race([stopped, worker.ended.then(() => "its own end")]);
  log.info({ reason }, "The worker stops");
  await worker.stop();
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
