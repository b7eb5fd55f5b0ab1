import { type ChildProcess, execFile } from "node:child_process";
import { promisify } from "node:util";
import { ended, runProgram } from "../processes.ts";
import type { Operation } from "./operations.ts";

/** Connections that send requests. */
export const connections = 16;
/** Requests that are made before a round; they are sent again and again. */
const requestsInTurns = 200;

/** What one turn showed. Times are in milliseconds. */
export interface Turn {
  msPerRequest: number;
  processorMsPerRequest: number | null;
}

/** Requests of an operation, by all organizations in turns. */
export function requestsOf(
  operation: Operation,
  path: string,
  keys: readonly string[],
): { path: string; key: string; body: string }[] {
  return Array.from({ length: requestsInTurns }, (_, n) => {
    const organization = n % keys.length;
    const variables = operation.variables(organization, n);
    const query = operation.document;
    return {
      path,
      key: keys[organization]!,
      body: JSON.stringify({ query, variables }),
    };
  });
}

/** Sends requests to a server for so long. @param file has them */
export async function takeTurn(
  server: { name: string; url: string; process: ChildProcess },
  file: string,
  seconds: number,
): Promise<Turn> {
  const before = await processorMs(server.process);
  const load = runProgram("./gateway/load.ts", [
    server.url,
    file,
    String(connections),
    String(seconds),
  ]);
  let output = "";
  load.stdout?.on("data", (text) => output += text);
  await ended(load);
  if (load.exitCode !== 0) throw new Error(`${server.name} did not answer as it should`);
  const after = await processorMs(server.process);
  const sent: { answered: number; seconds: number } = JSON.parse(output);
  const { answered } = sent;
  return {
    msPerRequest: sent.seconds * 1000 / answered,
    processorMsPerRequest: before === null || after === null ? null : (after - before) / answered,
  };
}

/** Processor time of a process so far, all its threads; null where the system does not tell it so. */
async function processorMs({ pid }: ChildProcess): Promise<number | null> {
  try {
    // By a program: Deno itself may read /proc with all permissions only
    const { stdout: stat } = await promisify(execFile)("cat", [`/proc/${pid}/stat`]);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime and stime, in hundredths of a second (proc_pid_stat(5))
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return null;
  }
}
