import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { withClient } from "../src/database/open_client.ts";
import { loginUrl } from "../src/database/urls.ts";
import type { Benchmark, Comparison } from "./compare.ts";
import { ended, readUrl, runProgram, stop } from "./processes.ts";
import { floodKinds } from "./send_flood.ts";

/** What an ordinary request, and a process manager's, wait for at most while others flood. */
const promisedMs = { "an ordinary request": 200, "/livez": 50 };
const quietMs = 3_000;
/** Requests of a flood at once. */
const sizes = [1, 50];

/** Another organization's requests, and /livez, while one organization sends what costs most. */
export const floodsBenchmark: Benchmark = {
  name: "floods",
  description:
    "the longest answer to another organization's requests, sent all the time, and to /livez, while " +
    "one organization sends costly requests, beside a quiet gateway",

  async run({ adminUrl }) {
    const { flooder, neighbour } = await fill(adminUrl);
    const dataDir = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    const gateway = runProgram("../src/bin/gateway.ts", [], {
      CURESTRY_GATEWAY_URL: loginUrl(adminUrl, "curestry_gateway", "bench"),
      CURESTRY_DATA_DIR: dataDir,
      CURESTRY_LOG_LEVEL: "fatal",
      PORT: "0",
    });
    try {
      const url = await readUrl(gateway);
      // The thread of costly operations is there when it has answered
      await finish(
        runProgram("./send_flood.ts", [url, flooder, "lists below lists, allowed", "1"]),
      );
      await watch(url, neighbour, sleep(1_000));
      const comparisons: Comparison[] = [];
      const quiet = await watch(url, neighbour, sleep(quietMs));
      for (const kind of floodKinds) {
        for (const size of sizes) {
          const flood = runProgram("./send_flood.ts", [url, flooder, kind, String(size)]);
          const longest = await watch(url, neighbour, finish(flood));
          for (const [what, promised] of Object.entries(promisedMs)) {
            const ms = longest[what as keyof typeof promisedMs];
            comparisons.push({
              what: `${what}, beside ${size} × ${kind}; on a quiet gateway: ${
                quiet[what as keyof typeof promisedMs].toFixed(1)
              } ms`,
              ours: { name: "longest answer", ms },
              other: { name: "promised", ms: promised },
              ratio: ms / promised,
              limit: 1,
            });
          }
        }
      }
      return comparisons;
    } finally {
      await stop(gateway);
      await rm(dataDir, { recursive: true, force: true });
    }
  },
};

/** Two organizations: the flooder's has 25 prompts and 1,000 analyses. @returns their API keys */
async function fill(adminUrl: string): Promise<{ flooder: string; neighbour: string }> {
  return await withClient(adminUrl, async (client) => {
    async function makeKey(slug: string): Promise<string> {
      const { rows: [row] } = await client.query<{ key: string }>(
        `select k.key from app.organization_create($1, $1, $1 || '@x.example') o,
           app.api_key_create(o.id, null, 'bench',
             '{prompts:read,prompts:write,analyses:read,analyses:write,marts:read}', null) k`,
        [slug],
      );
      if (!row) throw new Error("No key was made");
      return row.key;
    }
    const flooder = await makeKey("flooder");
    const neighbour = await makeKey("neighbour");
    for (const [key, analyses] of [[flooder, 1_000], [neighbour, 20]] as const) {
      await client.query("begin");
      const hash = createHash("sha256").update(key).digest("hex");
      await client.query("select app.begin_request(null, $1, null, 'bench')", [hash]);
      await client.query("set local role curestry_member");
      await client.query(
        `select count(*) from ops.record_analyses(array(
           select row(gen_random_uuid()::text, null, repeat('prompt ' || n % 25 || ' ', 50), null, null, null, null,
               row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
               array[row('latency', 123.5, null, null)::ops.analysis_metric_item], null, null)::ops.analysis_item
             from generate_series(1, $1::int) as n))`,
        [analyses],
      );
      await client.query("commit");
    }
    return { flooder, neighbour };
  });
}

/** Sends ordinary requests, one after the other, until something ends. @returns the longest times */
async function watch(
  url: string,
  key: string,
  until: Promise<unknown>,
): Promise<Record<keyof typeof promisedMs, number>> {
  let running = true;
  const ended = until.finally(() => running = false);
  async function longest(ask: () => Promise<Response>): Promise<number> {
    let longestMs = 0;
    while (running) {
      const start = performance.now();
      const answer = await ask();
      await answer.arrayBuffer();
      longestMs = Math.max(longestMs, performance.now() - start);
      if (answer.status !== 200) throw new Error(`An ordinary request got ${answer.status}`);
      await sleep(5);
    }
    return longestMs;
  }
  const [ordinary, livez] = await Promise.all([
    longest(() =>
      fetch(`${url}/graphql`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({
          query: "{ prompts(first: 20) { totalCount nodes { id name tags } } }",
        }),
      })
    ),
    longest(() => fetch(`${url}/livez`)),
    ended,
  ]);
  return { "an ordinary request": ordinary, "/livez": livez };
}

async function finish(child: ChildProcess): Promise<void> {
  child.stdout?.pipe(process.stdout);
  await ended(child);
  if (child.exitCode !== 0) throw new Error(`A flood ended with ${child.exitCode}`);
}
