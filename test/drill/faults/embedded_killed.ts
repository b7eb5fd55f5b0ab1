import process from "node:process";
import { cliJson } from "../../helpers/cli.ts";
import { eventually } from "../../helpers/eventually.ts";
import { graphql, graphqlData } from "../../helpers/graphql.ts";
import { recordAnalyses } from "../../helpers/graphql_analyses.ts";
import { isAlive, makeDataDir, removeDataDir, serverPid } from "../../start/data_dir.ts";
import { type RunningProcess, runProcess } from "../../start/run_process.ts";
import { type Fault, formatMs } from "../fault.ts";

/** An installation of `start` alone, whose database is the one that comes along. */
export const embeddedKilled: Fault = {
  name: "embedded-killed",
  done: "kill -9 of the PostgreSQL of `start`, then of `start`",
  promise: "it starts PostgreSQL again and lives; the next start finds all",
  weight: 0,
  when: "beside",
  async run() {
    const dataDir = await makeDataDir();
    const env = { CURESTRY_DATA_DIR: dataDir };
    const started: RunningProcess[] = [];
    async function start(): Promise<string> {
      const one = runProcess(["src/bin/start.ts"], {
        ...env,
        PORT: "0",
        CURESTRY_DATABASE_PORT: "0",
        CURESTRY_LOG_LEVEL: "warn",
      });
      started.push(one);
      const [, url = ""] = await one.prints(/^Curestry is ready on (http:\S+)$/m);
      return url;
    }
    try {
      let url = await start();
      await cliJson(
        ["organization", "create", "--slug", "drill", "--name", "Drill", "--owner", "o@x.example"],
        { env },
      );
      const { key } = await cliJson<{ key: string }>([
        ...["api-key", "create", "--organization", "drill", "--name", "drill"],
        ...["--scope", "analyses:read,analyses:write"],
      ], { env });
      const item = (name: string) => ({ idempotencyKey: name, promptContent: "a b c" });
      const query = "{ analysisRuns { totalCount } }";
      const isAnswered = async () => {
        const { status } = await graphql(url, { key, query });
        if (status !== 200) throw new Error(`start does not answer: ${status}`);
      };
      await recordAnalyses(url, key, [item("before")]);

      const from = performance.now();
      process.kill(await serverPid(dataDir) ?? 0, "SIGKILL");
      await eventually(isAnswered);
      const backMs = performance.now() - from;
      const lives = isAlive(started[0]?.pid ?? 0);
      // The sessions of a server that was killed may answer once more
      await eventually(() => recordAnalyses(url, key, [item("after")]));

      await started[0]?.stop("SIGKILL");
      url = await start();
      const { analysisRuns } = await graphqlData<{ analysisRuns: { totalCount: number } }>(url, {
        key,
        query,
      });
      return {
        text: `back after ${formatMs(backMs)}, start ${lives ? "lives" : "has ended"}; ` +
          `then ${analysisRuns.totalCount} of 2 analyses are there`,
        kept: lives && analysisRuns.totalCount === 2,
      };
    } finally {
      await Promise.all(started.map((one) => one.stop()));
      await removeDataDir(dataDir);
    }
  },
};
