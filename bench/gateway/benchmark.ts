import { type ChildProcess, execFile } from "node:child_process";
import { cp, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { loginUrl } from "../../src/database/urls.ts";
import { type Benchmark, type Comparison, median } from "../compare.ts";
import { readUrl, runProgram, stop } from "../processes.ts";
import { fill } from "./fill.ts";
import { type Operation, operations } from "./operations.ts";
import { connections, requestsOf, takeTurn, type Turn } from "./turns.ts";

const organizations = 20;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const secondsOfATurn = Number(process.env.BENCH_SECONDS ?? 2);

/** One of those that are compared. */
interface Server {
  name: string;
  /** Our time, by that of this one, at most. */
  limit: number;
  url: string;
  process: ChildProcess;
  path(operation: Operation): string;
  answers(operation: Operation): boolean;
}

/** Our gateway, beside what one would write by hand, and beside another GraphQL server. */
export const gatewayBenchmark: Benchmark = {
  name: "gateway",
  description:
    `the time of one request while ${connections} connections send as many as are answered, beside endpoints ` +
    "written by hand with the same check and transaction, and beside GraphQL Yoga with Pothos and Drizzle",

  async run({ adminUrl }) {
    const keys = await fill(adminUrl, organizations);
    const scratch = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    const servers: Server[] = [];
    try {
      // Where a log goes in operation is nothing that reads slowly
      const log = await open(join(scratch, "log"), "a");
      const gatewayUrl = loginUrl(adminUrl, "curestry_gateway", "bench");
      const ours = await startServer(
        "the gateway",
        1,
        "../src/bin/gateway.ts",
        [],
        {
          CURESTRY_GATEWAY_URL: gatewayUrl,
          CURESTRY_DATA_DIR: scratch,
          CURESTRY_LOG_LEVEL: process.env.BENCH_LOG_LEVEL ?? "info",
          CURESTRY_RATE_LIMIT_KEY: "1000000000",
          CURESTRY_RATE_LIMIT_ORGANIZATION: "1000000000",
          CURESTRY_RATE_LIMIT_RECORDING: "1000000000",
          PORT: "0",
        },
        { path: () => "/graphql" },
        log.fd,
      );
      servers.push(ours);
      const env = { BENCH_GATEWAY_URL: gatewayUrl };
      const path = (operation: Operation) => `/${operation.path}`;
      for (const [kind, limit] of [["plain", 1], ["pipelined", 1.25]] as const) {
        const name = `a ${kind} endpoint`;
        servers.push(
          await startServer(name, limit, "./gateway/endpoints.ts", [kind], env, { path }),
        );
      }
      const yoga = await startYoga(scratch, env);
      if (yoga !== null) servers.push(yoga);
      const comparisons: Comparison[] = [];
      for (const operation of chosenOperations()) {
        comparisons.push(...await measure(operation, servers, keys, scratch));
      }
      return comparisons;
    } finally {
      for (const server of servers) {
        await stop(server.process);
      }
      await rm(scratch, { recursive: true, force: true });
    }
  },
};

function chosenOperations(): readonly Operation[] {
  const chosen = process.env.BENCH_OPERATIONS?.split(",");
  return operations.filter(({ path }) => chosen === undefined || chosen.includes(path));
}

async function startServer(
  name: string,
  limit: number,
  module: string,
  args: readonly string[],
  env: Record<string, string>,
  { path, answers = () => true }: Pick<Server, "path"> & Partial<Pick<Server, "answers">>,
  log?: number,
): Promise<Server> {
  const child = runProgram(module, args, env, log);
  return { name, limit, url: await readUrl(child), process: child, path, answers };
}

/** @returns null, with a message, where its packages cannot be installed */
async function startYoga(scratch: string, env: Record<string, string>): Promise<Server | null> {
  const folder = join(scratch, "yoga");
  try {
    await cp(fileURLToPath(new URL("../peers/yoga", import.meta.url)), folder, { recursive: true });
    await promisify(execFile)("npm", ["install", "--no-audit", "--no-fund"], { cwd: folder });
  } catch (error) {
    console.log(`  GraphQL Yoga is left out, it cannot be installed: ${error}`);
    return null;
  }
  return await startServer("Yoga, Pothos and Drizzle", 0.5, join(folder, "server.mjs"), [], env, {
    path: () => "/graphql",
    answers: ({ path }) => !path.startsWith("record"),
  });
}

/** Measures all servers in turns, so that whatever else the machine does hits all alike. */
async function measure(
  operation: Operation,
  servers: readonly Server[],
  keys: readonly string[],
  scratch: string,
): Promise<Comparison[]> {
  const asked = servers.filter((server) => server.answers(operation));
  const turns = new Map<Server, Turn[]>(asked.map((server) => [server, []]));
  await expectSameAnswers(operation, asked, keys);
  for (let round = -1; round < rounds; round++) {
    for (const server of asked) {
      const file = join(scratch, "requests.json");
      const requests = requestsOf(operation, server.path(operation), keys);
      await writeFile(file, JSON.stringify(requests));
      const turn = await takeTurn(server, file, secondsOfATurn);
      if (round >= 0) turns.get(server)?.push(turn);
    }
  }
  const [ours, ...others] = asked;
  const ms = (server: Server) => median(turns.get(server)!.map(({ msPerRequest }) => msPerRequest));
  const name = (server: Server) => {
    const processor = median(turns.get(server)!.map((turn) => turn.processorMsPerRequest ?? NaN));
    return Number.isNaN(processor)
      ? server.name
      : `${server.name} (${processor.toFixed(2)} ms of its processor)`;
  };
  return others.map((other) => ({
    what: operation.description,
    ours: { name: name(ours!), ms: ms(ours!) },
    other: { name: name(other), ms: ms(other) },
    ratio: ms(ours!) / ms(other),
    limit: other.limit,
  }));
}

/** A server that answers something else is not one to compare with. Dates may be written in another way. */
async function expectSameAnswers(
  operation: Operation,
  servers: readonly Server[],
  keys: readonly string[],
): Promise<void> {
  const shapes = await Promise.all(servers.map(async (server) => {
    const [request] = requestsOf(operation, server.path(operation), keys);
    const answer = await fetch(`${server.url}${request!.path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${request!.key}`, "content-type": "application/json" },
      body: request!.body,
    });
    const { data, errors } = await answer.json();
    if (data === undefined || errors !== undefined) {
      throw new Error(`${server.name} refuses ${operation.description}: ${JSON.stringify(errors)}`);
    }
    const text = JSON.stringify(data);
    return {
      server,
      rows: text.split('"id":').length,
      inserted: text.split('"inserted"').length,
    };
  }));
  for (const { server, rows, inserted } of shapes) {
    if (rows !== shapes[0]!.rows || inserted !== shapes[0]!.inserted) {
      throw new Error(`${server.name} answers something else to ${operation.description}`);
    }
  }
}
