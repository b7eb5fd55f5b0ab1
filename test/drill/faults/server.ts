import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { readPostmaster } from "../../../src/database/embedded/postmaster.ts";
import { withClient } from "../../../src/database/open_client.ts";
import { eventually } from "../../helpers/eventually.ts";
import { pick } from "../../helpers/random.ts";
import { childrenOf, signalAll } from "../../helpers/server_processes.ts";
import { type Fault, formatMs, type Seen, skipped } from "../fault.ts";
import type { Installation } from "../installation.ts";
import { untilWritten } from "../writing.ts";

const promise = "requests end with 503; back by itself, nothing lost";

/** Does something to the server, and waits until all gateways record again. */
async function disturb(installation: Installation, work: () => Promise<string>): Promise<Seen> {
  const said = await work();
  const backMs = await untilWritten(installation);
  return { text: `${said}back after ${formatMs(backMs)}`, kept: true };
}

const usual = "usename in ('curestry_gateway', 'curestry_worker')";

/** What happens to PostgreSQL and to connections with it. */
export const serverFaults: readonly Fault[] = [
  {
    name: "connections-ended",
    done: "pg_terminate_backend of some of our connections",
    promise,
    weight: 24,
    run: (installation, { random }) =>
      disturb(installation, async () => {
        const { query } = installation.database;
        const ended = await query<{ pid: number }>(
          `select pid, pg_terminate_backend(pid)
             from (select pid from pg_stat_activity where ${usual} order by random() limit $1) ours`,
          [1 + Math.floor(random() * 20)],
        );
        const pids = ended.map(({ pid }) => pid);
        await eventually(async () => {
          const open = await query("select from pg_stat_activity where pid = any ($1)", [pids]);
          if (open.length > 0) throw new Error(`${open.length} sessions do not end`);
        });
        return `${ended.length} ended; `;
      }),
  },
  {
    name: "session-killed",
    done: "kill -9 of a server process, so that all recover",
    promise,
    weight: 6,
    run: (installation, { random }) =>
      disturb(installation, () =>
        withClient(installation.database.adminUrl, async (witness) => {
          await eventually(async () => {
            const { rows } = await witness.query<{ pid: number }>(
              `select pid from pg_stat_activity where ${usual}`,
            );
            if (rows.length === 0) throw new Error("There are no sessions of ours");
            process.kill(pick(random, rows).pid, "SIGKILL");
          });
          await eventually(async () => {
            const isOpen = await witness.query("select").then(() => true, () => false);
            if (isOpen) {
              throw new Error("The server does not notice that one of its own was killed");
            }
          });
          return "";
        })),
  },
  {
    name: "server-killed",
    done: "kill -9 of PostgreSQL, and a new start",
    promise,
    weight: 5,
    run: (installation) =>
      disturb(installation, async () => {
        await installation.server.crash("SIGKILL");
        return "";
      }),
  },
  {
    name: "server-restarted",
    done: "PostgreSQL stopped in good order and started",
    promise,
    weight: 5,
    run: (installation) =>
      disturb(installation, async () => {
        await installation.server.crash("SIGINT");
        return "";
      }),
  },
  {
    name: "database-closed",
    done: "the database takes no connections, and all are ended",
    promise,
    weight: 5,
    run: (installation, { random }) =>
      disturb(installation, async () => {
        await installation.whileClosed(async () => void await sleep(random() * 1_000));
        return "";
      }),
  },
  {
    name: "server-halted",
    done: "SIGSTOP of PostgreSQL for some seconds",
    promise: `${promise}; /livez answers`,
    weight: 10,
    run: (installation, how) =>
      halt(installation, how.isLong ? 1_000 + how.random() * 9_000 : 1_000 + how.random() * 1_000),
  },
  {
    name: "server-halted-long",
    done: "SIGSTOP of PostgreSQL for 45 s",
    promise: `${promise}; /livez answers`,
    weight: 0,
    isLongOnly: true,
    run: (installation) => halt(installation, 45_000),
  },
];

async function halt(installation: Installation, ms: number): Promise<Seen> {
  if (process.platform !== "linux") return skipped("only on Linux are its processes found");
  const { server, gateways } = installation;
  const { pid } = await readPostmaster(server.dataDir) ?? { pid: 0 };
  const pids = [pid];
  const livez: number[] = [];
  try {
    // The first one makes no new ones then
    signalAll(pids, "SIGSTOP");
    pids.push(...await childrenOf(pid));
    signalAll(pids, "SIGSTOP");
    await sleep(ms);
    for (const { url } of gateways) {
      livez.push(
        await fetch(`${url}/livez`).then(
          async (response) => {
            await response.body?.cancel();
            return response.status;
          },
          () => 0,
        ),
      );
    }
  } finally {
    signalAll(pids.toReversed(), "SIGCONT");
  }
  const backMs = await untilWritten(installation);
  return {
    text: `halted ${formatMs(ms)}; /livez: ${livez.join(", ")}; back after ${formatMs(backMs)}`,
    kept: livez.every((status) => status === 200),
  };
}
