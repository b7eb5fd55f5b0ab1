import { generateKeyPairSync, randomBytes } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompactSign, importJWK, type JWK } from "jose";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { migrationsFolder } from "../../src/database/committed_migrations.ts";
import { withClient } from "../../src/database/open_client.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { acceptedRestoreType } from "../../src/maintenance/checkpoints.ts";
import { readCheckpoints } from "../../src/maintenance/read_checkpoints.ts";
import { makeLog } from "../../src/shared/log.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** A database that was restored to an earlier time: the checkpoints outside know more than it does. */

const database = withTestDatabase();
const server = inject("server");
const restoredName = `curestry_test_${Math.floor(Date.now() / 1000)}_${
  randomBytes(4).toString("hex")
}`;
const restoredUrl = databaseUrl(server.url, restoredName);

let dataDir: string;
let old: TestOrganization;
let idle: TestOrganization;
let late: TestOrganization;

const env = () => ({ DATABASE_URL: restoredUrl, CURESTRY_DATA_DIR: dataDir });
const file = () => join(dataDir, "audit-checkpoints");

interface Verdict {
  ok: boolean;
  checkpoints: number;
  differences: { problem: string; organization: string | null; where: string }[];
}

async function verify(): Promise<Verdict> {
  const { stdout } = await cli(["audit", "verify", "--json"], { env: env() });
  return JSON.parse(stdout);
}

async function write({ id }: TestOrganization, adminUrl: string): Promise<void> {
  await query(
    adminUrl,
    "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'x')",
    [id],
  );
}

/** Runs the real worker on a database, until it has sealed all. */
async function seal(adminUrl: string): Promise<void> {
  const name = new URL(adminUrl).pathname.slice(1);
  const worker = await startWorker({
    databaseUrl: databaseUrl(database.workerUrl, name),
    log: makeLog("silent"),
    checkpoints: await readCheckpoints(readSettings({ ...env(), DATABASE_URL: adminUrl })),
  });
  try {
    await eventually(async () =>
      expect(
        await query(
          adminUrl,
          "select from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
        ),
      ).toEqual([])
    );
  } finally {
    await worker.stop();
  }
}

const tamper = (sql: string) =>
  query(restoredUrl, `do $$ begin set local session_replication_role = replica; ${sql}; end $$`);

const payloads = (text: string) =>
  text.trim().split("\n").map((line) =>
    JSON.parse(Buffer.from(line.split(".")[1] ?? "", "base64url").toString())
  );

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "curestry-restore-"));
  old = await makeOrganization(database);
  idle = await makeOrganization(database);
  await seal(database.adminUrl);
  // The backup
  await eventually(() =>
    withClient(
      server.url,
      (client) => client.query(`create database ${restoredName} template ${database.name}`),
    )
  );
  const install = await readFile(join(migrationsFolder, "install.sql"), "utf8");
  await withClient(restoredUrl, (client) => client.query(install));
  // What came after it, and is lost
  late = await makeOrganization(database);
  for (let n = 0; n < 2; n++) {
    await write(old, database.adminUrl);
    await write(late, database.adminUrl);
    await seal(database.adminUrl);
  }
});
afterAll(async () => {
  await withClient(
    server.url,
    (client) => client.query(`drop database if exists ${restoredName} with (force)`),
  );
  await rm(dataDir, { recursive: true, force: true });
});

test("verify names what is lost, and accepting it needs a word", async () => {
  const { ok, differences } = await verify();
  expect(ok).toBe(false);
  expect(new Set(differences.map(({ problem }) => problem))).toEqual(new Set(["seal removed"]));
  const organizations = differences.map(({ organization }) => organization);
  expect(organizations).toEqual(
    expect.arrayContaining([old.id, late.id, "00000000-0000-0000-0000-000000000000"]),
  );
  expect(organizations).not.toContain(idle.id);
  expect((await cli(["audit", "accept-restore"], { env: env() })).code).toBe(2);
});

test("who has only the database, or another key, cannot accept it", async () => {
  await query(restoredUrl, "select app.audit_record_restore($1)", [
    JSON.stringify([{ organization: old.id, holds: null, lost: [] }]),
  ]);
  expect((await verify()).ok).toBe(false);
  const text = await readFile(file(), "utf8");
  const key = await importJWK(
    generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }) as JWK,
    "EdDSA",
  );
  const act = JSON.stringify({ heads: [], lost: payloads(text) });
  const forged = await new CompactSign(new TextEncoder().encode(act))
    .setProtectedHeader({ alg: "EdDSA", typ: acceptedRestoreType }).sign(key);
  await appendFile(file(), `${forged}\n`);
  const problems = (await verify()).differences.map(({ problem }) => problem);
  expect(problems).toContain("checkpoint not ours");
  expect(problems).toContain("seal removed");
  await writeFile(file(), text);
});

test("work may go on before it is accepted; a dry run changes nothing", async () => {
  await write(old, restoredUrl);
  await seal(restoredUrl);
  const before = await readFile(file(), "utf8");
  const { restored } = await cliJson<{
    restored: { organization: string; holds: { seq: number } | null; lost: { seq: number }[] }[];
  }>(["audit", "accept-restore", "--dry-run"], { env: env() });
  const own = restored.find(({ organization }) => organization === old.id);
  const last = own?.holds?.seq ?? 0;
  expect(last).toBeGreaterThan(0);
  expect(own?.lost.map(({ seq }) => seq)).toEqual([last + 1, last + 2]);
  expect(restored.find(({ organization }) => organization === late.id)?.holds).toBe(null);
  expect(restored.find(({ organization }) => organization === idle.id)).toBe(undefined);
  expect(await readFile(file(), "utf8")).toBe(before);
  expect((await verify()).ok).toBe(false);
});

test("after the signed act verify is content, and so it stays; the log has the act", async () => {
  const { stdout } = await cli(["audit", "accept-restore", "--yes"], { env: env() });
  expect(stdout).toContain("It is signed in the file of checkpoints");
  expect(await verify()).toMatchObject({ ok: true, differences: [] });
  expect(
    await query(
      restoredUrl,
      `select action, jsonb_array_length(after_state -> 'lost') as lost
         from ops.audit_log where organization_id = $1 and action = 'restore' and after_state -> 'lost' <> '[]'`,
      [old.id],
    ),
  ).toEqual([{ action: "restore", lost: 2 }]);
  await write(idle, restoredUrl);
  await seal(restoredUrl);
  expect(await verify()).toMatchObject({ ok: true, differences: [] });
  expect(await cliJson(["audit", "accept-restore", "--yes"], { env: env() }))
    .toMatchObject({ restored: [], withoutCheckpoint: 0 });
});

test("while it is signed no seal is made: it waits for a sealer, as sealers do for it", async () => {
  const accepted = await withClient(restoredUrl, async (sealer) => {
    await sealer.query("begin");
    await sealer.query("select from app.audit_sealer for update");
    const accepting = cli(["audit", "accept-restore", "--dry-run"], { env: env() });
    await eventually(async () =>
      expect(
        await query(
          restoredUrl,
          `select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`,
        ),
      ).toHaveLength(1)
    );
    await sealer.query("rollback");
    return await accepting;
  });
  expect(accepted.code).toBe(0);
});

test("tampering with what was before the restore, and after it, is still found", async () => {
  await tamper(
    `update ops.audit_log set after_state = '{}' where id = (
       select entry_ids[1] from app.audit_seal where organization_id = '${old.id}' and seq = 1)`,
  );
  expect((await verify()).differences.map(({ problem }) => problem)).toContain("row changed");
  // A seal made anew, but not those after it
  await tamper(
    `update app.audit_seal s set sealed_at = sealed_at - interval '1 second' where organization_id = '${idle.id}' and seq = 1;
     update app.audit_seal s set hash = app.audit_seal_hash(s) where organization_id = '${idle.id}' and seq = 1`,
  );
  expect((await verify()).differences).toContainEqual(
    expect.objectContaining({ problem: "seal changed", organization: idle.id, where: "seal 1" }),
  );
  // A chain that is broken is no restore
  expect((await cli(["audit", "accept-restore", "--yes"], { env: env() })).stderr)
    .toContain("This is no restore");
  await tamper(`delete from app.audit_seal where organization_id = '${idle.id}'`);
  expect((await verify()).differences).toContainEqual(
    expect.objectContaining({ problem: "seal removed", organization: idle.id }),
  );
});
