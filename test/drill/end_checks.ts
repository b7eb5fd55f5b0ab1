import { setTimeout as sleep } from "node:timers/promises";
import { cli } from "../helpers/cli.ts";
import { describeOutcomes, isBad } from "./asking.ts";
import { formatMs, type Seen } from "./fault.ts";
import type { Installation } from "./installation.ts";
import type { Sent } from "./ledger.ts";
import { METRIC } from "./writing.ts";

/** What has to be so when all is over. */
export interface EndCheck {
  name: string;
  done: string;
  promise: string;
  look(installation: Installation): Promise<Seen>;
}

/** A history of thousands of days takes a minute or two. */
const followMs = 4 * 60_000;

/** In this order: the marts are waited for before they are compared. */
export const endChecks: readonly EndCheck[] = [
  {
    name: "answers",
    done: "every request of the drill, counted by its answer",
    promise: "never 500, never INTERNAL, never without end",
    look({ tally: { outcomes, bad } }) {
      const isRight = ![...outcomes.keys()].some(isBad);
      return Promise.resolve({
        text: [describeOutcomes(outcomes), ...bad.slice(0, 3)].join("; "),
        kept: isRight,
      });
    },
  },
  {
    name: "limits",
    done: "the time of every request",
    promise: "none takes longer than its statement and its wait may, and 3 s",
    look({ tally: { late, slowestMs } }) {
      const text = `${late} took longer; the slowest ${formatMs(slowestMs)}`;
      const times = [{ what: "requests that took longer", ms: late, promisedMs: 0 }];
      return Promise.resolve({ text, kept: true, times });
    },
  },
  {
    name: "processes",
    done: "gateways and workers",
    promise: "none ends that nobody killed",
    look({ gateways, workers }) {
      const ended = [...gateways.map((gateway) => gateway.process), ...workers]
        .flatMap(({ unexpected }) => unexpected);
      const why = ended.map(({ code, signal, stderr }) =>
        `; ${code ?? signal}: ${stderr.slice(-300)}`
      );
      return Promise.resolve({
        text: `${ended.length} ended by themselves${why.join("")}`,
        kept: ended.length === 0,
      });
    },
  },
  {
    name: "lost",
    done: "what was acknowledged, looked for in the database",
    promise: "0 lost, and every number as it was sent",
    async look(installation) {
      const { ledger: { analyses, prompts } } = installation;
      const stored = await readStored(installation);
      const lost =
        [...acknowledged(analyses)].filter(([key, { value }]) =>
          stored.analyses.get(key)?.values.some((number) => number !== value) ?? true
        ).length + [...acknowledged(prompts)].filter(([name]) => !stored.prompts.has(name)).length;
      return {
        text: `${lost} of ${acknowledged(analyses).size} analyses and ${
          acknowledged(prompts).size
        } prompts are lost`,
        kept: lost === 0 && acknowledged(analyses).size > 0 && acknowledged(prompts).size > 0,
      };
    },
  },
  {
    name: "doubled",
    done: "rows, compared with idempotency keys and with prompts that were sent",
    promise: "0 doubled, 0 that nobody sent, 0 shown to others",
    async look(installation) {
      const { ledger } = installation;
      const stored = await readStored(installation);
      const rows = [...stored.analyses].filter(([, { values }]) => values.length !== 1).length +
        [...stored.prompts.values()].filter((number) => number !== 1).length;
      const foreign =
        [...stored.analyses].filter(([key, { organizationId }]) =>
          ledger.analyses.get(key)?.organizationId !== organizationId
        ).length + [...stored.prompts.keys()].filter((name) => !ledger.prompts.has(name)).length;
      return {
        text: [
          `${rows} of ${stored.analyses.size} analyses and ${stored.prompts.size} prompts are ` +
          `doubled; ${foreign} nobody sent; ${ledger.wrong.length} wrong answers`,
          ...ledger.wrong.slice(0, 3),
        ].join("; "),
        kept: rows + foreign + ledger.wrong.length === 0 && stored.analyses.size > 0,
      };
    },
  },
  {
    name: "marts",
    done: "`rollup --check`, when all changes are processed",
    promise: "all marts equal a recount",
    async look({ database }) {
      const from = performance.now();
      // The gateways write for some seconds longer: what is used of the API
      for (;;) {
        const { stdout, stderr } = await cli(["rollup", "--check", "--json"], {
          env: database.env,
        });
        if (stdout === "") throw new Error(`rollup --check failed: ${stderr}`);
        const { differences } = JSON.parse(stdout) as { differences: { waiting: boolean }[] };
        const wrong = differences.filter(({ waiting }) => !waiting);
        const ms = performance.now() - from;
        if (wrong.length === 0 && differences.length > 0 && ms < followMs) {
          await sleep(1_000);
          continue;
        }
        return {
          text: `${differences.length} differences after ${formatMs(ms)}${
            differences.slice(0, 3).map((one) => `; ${JSON.stringify(one)}`).join("")
          }`,
          kept: differences.length === 0,
        };
      }
    },
  },
  {
    name: "audit",
    done: "`audit verify`",
    promise: "the audit log, its chain, its checkpoints and the tables agree",
    async look({ database }) {
      const { code, stdout, stderr } = await cli(["audit", "verify"], { env: database.env });
      return { text: (stdout + stderr).trim().slice(0, 400), kept: code === 0 };
    },
  },
];

function acknowledged<T extends Sent>(sent: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...sent].filter(([, one]) => one.acknowledged));
}

interface Stored {
  /** By idempotency key: whose, and the values of its metric, of all rows with this key. */
  analyses: Map<string, { organizationId: string; values: number[] }>;
  /** By name: how many. */
  prompts: Map<string, number>;
}

async function readStored({ database }: Installation): Promise<Stored> {
  const runs = await database.query<{ key: string; organization: string; values: number[] }>(
    `select r.idempotency_key as key, r.organization_id as organization,
            array_agg(m.value_num::float8) as values
       from ops.analysis_run r
       left join ops.analysis_metric m
         on m.organization_id = r.organization_id and m.analysis_run_id = r.id and m.key = $1
      group by 1, 2`,
    [METRIC],
  );
  const prompts = await database.query<{ name: string; number: number }>(
    "select name, count(*)::int as number from core.prompts group by 1",
  );
  return {
    analyses: new Map(
      runs.map(({ key, organization, values }) => [key, { organizationId: organization, values }]),
    ),
    prompts: new Map(prompts.map(({ name, number }) => [name, number])),
  };
}
