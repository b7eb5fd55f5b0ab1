import { type ChildProcess, execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { withClient } from "../../src/database/open_client.ts";
import { loginUrl } from "../../src/database/urls.ts";
import { type Benchmark, type Comparison, median } from "../compare.ts";
import { fill } from "../gateway/fill.ts";
import { operations, promptId, promptsEach } from "../gateway/operations.ts";
import { requestsOf, takeTurn } from "../gateway/turns.ts";
import { readUrl, runProgram, stop } from "../processes.ts";

const organizations = 20;
const subscribers = 1_000;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const secondsOfATurn = Number(process.env.BENCH_SECONDS ?? 3);
/** Changes per second while some flow: each is told to the subscribers of its organization. */
const changesPerSecond = 10;

/** Queries of a gateway with subscribers, beside the same gateway without. */
export const liveBenchmark: Benchmark = {
  name: "live",
  description:
    `the time of one query, and the memory of a gateway, with ${subscribers} subscribers by websocket of ` +
    `${organizations} organizations, beside the same gateway without any, in turns`,

  async run({ adminUrl }) {
    const keys = await fill(adminUrl, organizations);
    const scratch = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    const gateway = runProgram("../src/bin/gateway.ts", [], {
      CURESTRY_GATEWAY_URL: loginUrl(adminUrl, "curestry_gateway", "bench"),
      CURESTRY_DATA_DIR: scratch,
      CURESTRY_LOG_LEVEL: "fatal",
      CURESTRY_RATE_LIMIT_KEY: "1000000000",
      CURESTRY_RATE_LIMIT_ORGANIZATION: "1000000000",
      PORT: "0",
    });
    try {
      const server = { name: "the gateway", url: await readUrl(gateway), process: gateway };
      const keysFile = join(scratch, "keys.json");
      const requestsFile = join(scratch, "requests.json");
      await writeFile(keysFile, JSON.stringify(keys));
      const list = operations.find(({ path }) => path === "list")!;
      await writeFile(requestsFile, JSON.stringify(requestsOf(list, "/graphql", keys)));
      const turn = () => takeTurn(server, requestsFile, secondsOfATurn);
      await turn();

      const comparisons: Comparison[] = [];
      const memory = { without: [] as number[], with: [] as number[] };
      for (const flowing of [false, true]) {
        const ms = { without: [] as number[], with: [] as number[] };
        const processor = { without: [] as number[], with: [] as number[] };
        let told = 0;
        for (let round = 0; round < rounds; round++) {
          const measure = async (side: "without" | "with") => {
            memory[side].push(await memoryMiB(gateway));
            const stopChanges = flowing ? startChanges(adminUrl) : () => Promise.resolve();
            const { msPerRequest, processorMsPerRequest } = await turn();
            ms[side].push(msPerRequest);
            processor[side].push(processorMsPerRequest ?? NaN);
            await stopChanges();
          };
          await measure("without");
          const audience = await openAudience(server.url, keysFile);
          await measure("with");
          told += await audience.close();
        }
        const seconds = rounds * secondsOfATurn;
        comparisons.push({
          what: `${list.description}, ${
            flowing
              ? `while ${changesPerSecond} prompts a second change, and ${
                Math.round(told / seconds)
              } events a second are told`
              : "while nothing changes"
          }`,
          ours: {
            name: `${subscribers} subscribers (${ofProcessor(processor.with)})`,
            ms: median(ms.with),
          },
          other: {
            name: `no subscriber (${ofProcessor(processor.without)})`,
            ms: median(ms.without),
          },
          ratio: median(ms.with) / median(ms.without),
          limit: 1.1,
        });
      }
      comparisons.push({
        what: "memory of the gateway",
        ours: { name: `${subscribers} subscribers`, ms: Math.max(...memory.with) },
        other: { name: "no subscriber", ms: memory.without[0]! },
        ratio: Math.max(...memory.with) / memory.without[0]!,
        unit: "MiB",
      });
      return comparisons;
    } finally {
      await stop(gateway);
      await rm(scratch, { recursive: true, force: true });
    }
  },
};

function ofProcessor(ms: number[]): string {
  return `${median(ms).toFixed(2)} ms of its processor`;
}

/** Opens all subscriptions. */
async function openAudience(url: string, keysFile: string): Promise<{ close(): Promise<number> }> {
  const audience = runProgram("./live/subscribers.ts", [url, keysFile, String(subscribers)]);
  const lines = createInterface({ input: audience.stdout! })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  if (value !== "ready") throw new Error("Not all subscribed");
  return {
    async close() {
      audience.kill("SIGTERM");
      const { value } = await lines.next();
      return JSON.parse(value ?? "{}").told;
    },
  };
}

/** Changes prompts, evenly, until it is told to stop. */
function startChanges(adminUrl: string): () => Promise<void> {
  let running = true;
  const changing = withClient(adminUrl, async (client) => {
    const start = performance.now();
    for (let n = 0; running; n++) {
      await client.query(
        "update core.prompts set description = clock_timestamp()::text where id = $1",
        [promptId(n % organizations, n % promptsEach)],
      );
      const next = start + (n + 1) * 1_000 / changesPerSecond;
      const pauseMs = Math.max(0, next - performance.now());
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  });
  return () => {
    running = false;
    return changing;
  };
}

/** Memory of a process that is in use; NaN where the system does not tell it so. */
async function memoryMiB({ pid }: ChildProcess): Promise<number> {
  try {
    const { stdout } = await promisify(execFile)("cat", [`/proc/${pid}/status`]);
    return Number(/^VmRSS:\s+(\d+)/m.exec(stdout)?.[1]) / 1024;
  } catch {
    return NaN;
  }
}
