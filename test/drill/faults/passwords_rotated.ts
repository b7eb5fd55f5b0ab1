import { cli } from "../../helpers/cli.ts";
import { type Fault, formatMs, skipped } from "../fault.ts";
import { untilFollowed } from "../writing.ts";

/** `curestry login-secret rotate`, and then everybody has to connect anew. */
export const passwordsRotated: Fault = {
  name: "passwords-rotated",
  done: "gateways and workers get new passwords, and lose their connections",
  promise: "both gateways answer; marts (5 s) and seals (1 s) go on",
  weight: 4,
  async run(installation) {
    const { database, gateways, clients, ask, pooler } = installation;
    if (pooler !== null) return skipped("the pooler has a file of passwords of its own");
    const { code, stderr } = await cli(["login-secret", "rotate"], { env: database.env });
    if (code !== 0) throw new Error(`login-secret rotate failed:\n${stderr}`);
    await database.query(
      `select count(pg_terminate_backend(pid)) from pg_stat_activity
        where usename in ('curestry_gateway', 'curestry_worker')`,
    );
    const outcomes: string[] = [];
    for (const { url } of gateways) {
      const query = "{ prompts(first: 1) { totalCount } }";
      const { outcome } = await ask(url, { key: clients[0]!.key, query });
      outcomes.push(outcome);
    }
    const { martMs, sealMs } = await untilFollowed(installation);
    return {
      text: `${outcomes.join(", ")}; in the mart after ${formatMs(martMs)}, sealed after ${
        formatMs(sealMs)
      }`,
      kept: outcomes.every((outcome) => /^(200|503 UNAVAILABLE)$/.test(outcome)),
      times: [
        { what: "mart", ms: martMs, promisedMs: 5_000 },
        { what: "seal", ms: sealMs, promisedMs: 1_000 },
      ],
    };
  },
};
