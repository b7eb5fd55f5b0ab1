import type pg from "pg";
import { openClient, withClient } from "../../../src/database/open_client.ts";
import { eventually } from "../../helpers/eventually.ts";
import { hostileNotifications } from "../../helpers/hostile_notifications.ts";
import { pick } from "../../helpers/random.ts";
import { type Fault, formatMs } from "../fault.ts";
import { untilFollowed, untilWritten } from "../writing.ts";

/** Runs statements in a session of the analyst, which stays open during the work. */
async function holding<T>(
  url: string,
  statements: readonly string[],
  work: (session: pg.Client) => Promise<T>,
): Promise<T> {
  const session = await openClient(url);
  try {
    for (const statement of statements) await session.query(statement);
    return await work(session);
  } finally {
    await session.end().catch(() => {});
  }
}

/** Answers after how many milliseconds somebody ended it. */
async function untilEnded(session: pg.Client): Promise<number> {
  const from = performance.now();
  await eventually(async () => {
    const isOpen = await session.query("select").then(() => true, () => false);
    if (isOpen) throw new Error("The analyst's session goes on");
  });
  return performance.now() - from;
}

const advisoryLocks = [
  "audit seal",
  "audit retention",
  "facts retention",
  "partitions",
  "migrate",
].map((name) => `select pg_advisory_lock(hashtextextended('curestry ${name}', 0))`);

/** What an analyst with psql can do to others. */
export const analystFaults: readonly Fault[] = [
  {
    name: "analyst-notifies",
    done: "an analyst notifies on the channels of the job queue",
    promise: "workers live on; marts and seals go on",
    weight: 10,
    async run(installation, { random }) {
      const { workers, analystUrl } = installation;
      const ends = () => workers.reduce((sum, { unexpected }) => sum + unexpected.length, 0);
      const before = ends();
      const attack = pick(random, hostileNotifications);
      for (let round = 0; round < 3; round++) {
        await withClient(analystUrl, (client) => client.query(attack));
      }
      const { martMs, sealMs } = await untilFollowed(installation);
      return {
        text: `${ends() - before} workers ended; in the mart after ${formatMs(martMs)}, sealed ` +
          `after ${formatMs(sealMs)}`,
        kept: ends() === before,
      };
    },
  },
  {
    name: "analyst-holds-locks",
    done: "an analyst takes every advisory lock that one can guess",
    promise: "writes, marts and seals go on",
    weight: 6,
    async run(installation) {
      const { analystUrl, clients } = installation;
      const own = clients.flatMap(({ organization: { id } }) =>
        ["refresh", "marts", "prompt relations", "import prompts"].map((name) =>
          `select pg_advisory_lock(hashtextextended('curestry ${name} ${id}', 0))`
        )
      );
      return await holding(analystUrl, [...advisoryLocks, ...own], async (session) => {
        const { martMs, sealMs } = await untilFollowed(installation);
        await session.query("select");
        return {
          text: `in the mart after ${formatMs(martMs)}, sealed after ${formatMs(sealMs)}`,
          kept: true,
        };
      });
    },
  },
  {
    name: "analyst-holds-transaction",
    done: "an analyst keeps a transaction id",
    promise: "the worker ends the session; sealing goes on",
    weight: 2,
    async run(installation) {
      return await holding(
        installation.analystUrl,
        ["begin", "select pg_current_xact_id()"],
        async (session) => {
          const endedMs = await untilEnded(session);
          const { sealMs } = await untilFollowed(installation);
          return {
            text: `ended after ${formatMs(endedMs)}, then sealed after ${formatMs(sealMs)}`,
            kept: true,
            times: [{ what: "the end of the session", ms: endedMs, promisedMs: 8_000 }],
          };
        },
      );
    },
  },
  {
    name: "analyst-blocks",
    done: "an analyst's open select stands before a lock that others wait for",
    promise: "the worker ends the session; others go on",
    weight: 6,
    async run(installation) {
      const { analystUrl, database } = installation;
      const begin = ["begin", "select from core.prompts limit 1"];
      return await holding(analystUrl, begin, async (session) => {
        const from = performance.now();
        await eventually(() =>
          withClient(database.adminUrl, async (client) => {
            await client.query("begin; set local lock_timeout = '30s'");
            await client.query("lock table core.prompts in access exclusive mode");
            await client.query("rollback");
          })
        );
        const passedMs = performance.now() - from;
        const isOpen = await session.query("select").then(() => true, () => false);
        const backMs = await untilWritten(installation);
        return {
          text: `the lock was had after ${formatMs(passedMs)}, the session is ${
            isOpen ? "open" : "ended"
          }; others record after ${formatMs(backMs)}`,
          kept: !isOpen,
          times: [{ what: "the lock", ms: passedMs, promisedMs: 5_000 }],
        };
      });
    },
  },
];
