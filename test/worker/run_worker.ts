import process from "node:process";
import { makeLog } from "../../src/shared/log.ts";
import { listenForStop } from "../../src/shared/process.ts";
import { startWorker } from "../../src/worker/start_worker.ts";

/** A worker in a process of its own, with times (JSON) that tests can wait for: to be killed. */
const { WORKER_URL: databaseUrl = "", WORKER_TIMES: times = "{}" } = process.env;
const { first: stopped } = listenForStop();
const worker = await startWorker({
  databaseUrl,
  log: makeLog("warn"),
  times: JSON.parse(times),
});
console.log("ready");
await stopped;
await worker.stop();
process.exit(0);
