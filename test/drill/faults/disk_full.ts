import { execFile } from "node:child_process";
import { chown, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { withClient } from "../../../src/database/open_client.ts";
import { eventually } from "../../helpers/eventually.ts";
import { count, describeOutcomes, type Outcome } from "../asking.ts";
import { type Fault, formatMs, type Seen, skipped } from "../fault.ts";
import type { Client, Installation } from "../installation.ts";
import { record, untilWritten } from "../writing.ts";

const run = promisify(execFile);
const spareMegabytes = 64;

/** The tables stand on a small disk for a while, which somebody fills. */
export const diskFull: Fault = {
  name: "disk-full",
  done: "the disk of the tables is filled, and room made again",
  promise: "writes get 503; heals by itself, nothing acknowledged is lost",
  weight: 0,
  async run(installation) {
    if (process.platform !== "linux" || process.getuid?.() !== 0) {
      return skipped("only root on Linux can make a small disk");
    }
    const folder = await mkdtemp(join(tmpdir(), `curestry-temporary-${process.pid}-`));
    try {
      const [size] = await installation.database.query<{ megabytes: number }>(
        "select (pg_database_size(current_database()) / 1048576)::int as megabytes",
      );
      const megabytes = (size?.megabytes ?? 0) + spareMegabytes;
      const mounted = await run("mount", [
        "-t",
        "tmpfs",
        "-o",
        `size=${megabytes}m`,
        "tmpfs",
        folder,
      ])
        .then(() => true, () => false);
      if (!mounted) return skipped("this machine mounts no tmpfs");
      try {
        const { uid, gid } = await stat(installation.server.dataDir);
        await chown(folder, uid, gid);
        return await onSmallDisk(installation, folder);
      } finally {
        await run("umount", [folder]);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function onSmallDisk(installation: Installation, folder: string): Promise<Seen> {
  const { server, whileClosed } = installation;
  const administer = (sql: string) =>
    withClient(server.url, async (client) => void await client.query(sql));
  await administer(`create tablespace small location '${folder}'`);
  await whileClosed(() => administer("alter database curestry set tablespace small"));
  try {
    await untilWritten(installation);
    const filler = join(folder, "filler");
    await fill(filler);
    const outcomes = await writeUntilRefused(installation);
    await rm(filler);
    const backMs = await untilWritten(installation);
    return {
      text: `large writes: ${describeOutcomes(outcomes)}; back ${formatMs(backMs)} after room`,
      kept: [...outcomes.keys()].every((outcome) => /^(200|503 UNAVAILABLE)$/.test(outcome)),
    };
  } finally {
    await rm(join(folder, "filler"), { force: true });
    await whileClosed(() => administer("alter database curestry set tablespace pg_default"));
    await administer("drop tablespace small");
  }
}

/** Writes until there is no room. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (const size of [1 << 20, 1 << 12]) {
      for (;;) {
        try {
          await file.write(new Uint8Array(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          break;
        }
      }
    }
  } finally {
    await file.close();
  }
}

/** Records texts of which each needs new pages, until several were refused. */
async function writeUntilRefused(installation: Installation): Promise<Map<Outcome, number>> {
  const [client] = installation.clients as [Client];
  const outcomes = new Map<Outcome, number>();
  await eventually(async () => {
    const content = Array.from({ length: 5_000 }, () => crypto.randomUUID()).join(" ");
    const item = { idempotencyKey: crypto.randomUUID(), value: 1, at: new Date(), content };
    const [{ url }] = installation.gateways;
    count(outcomes, (await record(installation, url, client, [item])).outcome);
    const refused = outcomes.get("503 UNAVAILABLE") ?? 0;
    if (refused < 5) throw new Error(`A full disk takes writes: ${describeOutcomes(outcomes)}`);
  });
  return outcomes;
}
