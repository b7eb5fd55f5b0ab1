import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Client as Session } from "pg";
import { withClient } from "../../../src/database/open_client.ts";
import { databaseName } from "../../../src/database/urls.ts";
import { breachesBy } from "../../helpers/breaches.ts";
import { cli } from "../../helpers/cli.ts";
import { tamperings } from "../../helpers/tamperings.ts";
import type { Fault } from "../fault.ts";
import type { Installation } from "../installation.ts";
import { untilFollowed } from "../writing.ts";

/** What `audit verify --json` prints. */
interface Verdict {
  ok: boolean;
  differences: { problem: string; where: string }[];
}

/** Gives the work a copy of the database, and one of the keys and checkpoints; both are removed. */
async function onCopy<T>(
  installation: Installation,
  name: string,
  work: (env: { DATABASE_URL: string; CURESTRY_DATA_DIR: string }) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
  try {
    const url = await installation.copy(name);
    await cp(installation.database.env.CURESTRY_DATA_DIR, folder, { recursive: true });
    return await work({ DATABASE_URL: url, CURESTRY_DATA_DIR: folder });
  } finally {
    await withClient(
      installation.server.url,
      (client) => client.query(`drop database if exists ${name} with (force)`),
    );
    await rm(folder, { recursive: true, force: true });
  }
}

async function verify(env: Record<string, string>): Promise<Verdict> {
  const { stdout, stderr } = await cli(["audit", "verify", "--json"], { env });
  if (stdout === "") throw new Error(`audit verify failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** H2 and M4, by their names in `tamperings`. */
const hidden = [
  "removes a row and names it as the act by which it left",
  "replaces a secret past the triggers",
  "changes a fact past the triggers",
  "adds a row of a transaction that has not been yet, which no seal would cover",
  "edits the actor",
  "edits a seal",
];

async function tamperOneByOne(client: Session): Promise<{ problem: string; id: string }[]> {
  const expected: { problem: string; id: string }[] = [];
  await client.query("begin; set local session_replication_role = replica");
  for (const [n, name] of hidden.entries()) {
    const tampering = tamperings.find((one) => one.name === name);
    if (!tampering) throw new Error(`There is no tampering that ${name}`);
    // 0: of the secrets, the hash of a key
    const { problem, id = "" } = await tampering.tamper(
      client,
      name.includes("secret") ? 0 : 3 * n,
    );
    expected.push({ problem, id });
  }
  await client.query("commit");
  return expected;
}

/** M3, by their names in `breachesBy`. */
const byHand = [
  "membership in curestry_definer",
  "a superuser",
  "bypassrls",
  "a new policy",
  "a policy that lets all through",
  "key_hash granted",
  "begin_request replaced",
  "audit_verify_chain replaced",
  "role_permissions replaced",
  "append-only switched off",
  "append-only dropped",
  "a foreign trigger",
];

/** What somebody does who may do everything. */
export const superuserFaults: readonly Fault[] = [
  {
    name: "audit-tampered",
    done: "a superuser removes, forges and replaces what the audit log proves (H2, M4)",
    promise: "`audit verify` names each",
    weight: 0,
    when: "afterwards",
    async run(installation) {
      return await onCopy(installation, "drill_tampered", async (env) => {
        const before = await verify(env);
        const expected = await withClient(env.DATABASE_URL, tamperOneByOne);
        const { differences } = await verify(env);
        await rm(join(env.CURESTRY_DATA_DIR, "audit-checkpoints"));
        const without = await verify(env);
        const named = [
          ...expected.map(({ problem, id }) =>
            differences.some((one) => one.problem === problem && one.where.includes(id))
          ),
          without.differences.some(({ problem }) => problem === "checkpoints missing"),
        ];
        return {
          text: `${before.ok ? "nothing before" : "differences before"}; ${
            named.filter(Boolean).length
          } of ${named.length} named`,
          kept: before.ok && named.every(Boolean),
        };
      });
    },
  },
  {
    name: "rules-broken",
    done: "a superuser changes by hand who may do what (M3)",
    promise: "`doctor --security` names each",
    weight: 0,
    when: "afterwards",
    async run(installation) {
      const role = (n: number) => installation.database.roleName(`intruder_${n}`);
      return await onCopy(installation, "drill_breached", async (env) => {
        async function find(): Promise<string[]> {
          const { stdout } = await cli(["doctor", "--security", "--json"], { env });
          return JSON.parse(stdout).findings.map(({ object }: { object: string }) => object);
        }
        try {
          const before = await find();
          const missing: string[] = [];
          const breaches = byHand.map((name, n) => {
            const breach = breachesBy(role(n), databaseName(env.DATABASE_URL)).find(([what]) =>
              what === name
            );
            if (!breach) throw new Error(`There is no breach ${name}`);
            return breach;
          });
          await withClient(env.DATABASE_URL, async (client) => {
            for (const [, breach] of breaches) await client.query(breach);
          });
          const found = await find();
          for (const [what, , object] of breaches) {
            if (!found.some((one) => one.startsWith(object))) missing.push(what);
          }
          return {
            text: `${before.length} findings before; ${breaches.length - missing.length} of ` +
              `${breaches.length} named${missing.length > 0 ? `, not: ${missing.join("; ")}` : ""}`,
            kept: before.length === 0 && missing.length === 0,
          };
        } finally {
          await withClient(env.DATABASE_URL, async (client) => {
            for (const n of byHand.keys()) await client.query(`drop role if exists ${role(n)}`);
          });
        }
      });
    },
  },
  {
    name: "restored",
    done: "the database is restored to an earlier time, and that is accepted",
    promise: "`audit verify` names what is lost; after `accept-restore` it is content",
    weight: 0,
    when: "afterwards",
    async run(installation) {
      return await onCopy(installation, "drill_restored", async (env) => {
        // What comes after the backup, and is lost
        await untilFollowed(installation);
        await cp(installation.database.env.CURESTRY_DATA_DIR, env.CURESTRY_DATA_DIR, {
          recursive: true,
        });
        const lost = await verify(env);
        const dry = await cli(["audit", "accept-restore", "--dry-run"], { env });
        const still = await verify(env);
        const accepted = await cli(["audit", "accept-restore", "--yes"], { env });
        const then = await verify(env);
        const problems = [...new Set(lost.differences.map(({ problem }) => problem))].join(", ");
        return {
          text: `${lost.differences.length} × ${problems || "nothing"}; a dry run changes ${
            still.ok ? "it" : "nothing"
          }; accepted: exit ${accepted.code}, then ${
            then.ok ? "no difference" : `${then.differences.length} differences`
          }`,
          kept: !lost.ok && problems === "seal removed" && dry.code === 0 && !still.ok &&
            accepted.code === 0 && then.ok,
        };
      });
    },
  },
];
