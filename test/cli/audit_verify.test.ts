import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { readCheckpoints } from "../../src/maintenance/read_checkpoints.ts";
import { readSettings } from "../../src/shared/settings.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { cli } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
let dataDir: string;
let organization: TestOrganization;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "curestry-audit-"));
  organization = await makeOrganization(database);
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const env = () => ({ ...database.env, CURESTRY_DATA_DIR: dataDir });
const file = () => join(dataDir, "audit-checkpoints");

interface Verdict {
  ok: boolean;
  differences: { problem: string; organization: string | null; where: string }[];
}

async function verify(...args: string[]): Promise<{ code: number | null; verdict: Verdict }> {
  const { code, stdout } = await cli(["audit", "verify", "--json", ...args], { env: env() });
  return { code, verdict: JSON.parse(stdout) };
}

/** Runs the real worker, until it has sealed all. */
async function seal(command?: string): Promise<void> {
  const settings = readSettings({
    ...env(),
    ...(command === undefined ? {} : { CURESTRY_CHECKPOINT_COMMAND: command }),
  });
  const worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
    checkpoints: await readCheckpoints(settings),
  });
  try {
    await eventually(async () =>
      expect(
        await database.query(
          "select count(*)::int as n from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
        ),
      ).toEqual([{ n: 0 }])
    );
  } finally {
    await worker.stop();
  }
}

test("the worker seals within seconds and writes checkpoints, also to a command; all is found whole", async () => {
  await database.query(
    "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'x')",
    [organization.id],
  );
  await seal(`cat > ${join(dataDir, "carried")}`);
  const { code, verdict } = await verify();
  expect(verdict).toEqual({ ok: true, differences: [] });
  expect(code).toBe(0);
  const lines = (await readFile(file(), "utf8")).trim().split("\n");
  expect(lines.length).toBeGreaterThan(0);
  expect(await readFile(join(dataDir, "carried"), "utf8")).toContain(lines.at(-1));
});

test("a changed row makes it fail, for its organization", async () => {
  await database.query(
    `do $$ begin
       set local session_replication_role = replica;
       update ops.audit_log set after_state = '{}' where entity_type = 'core.prompts';
     end $$`,
  );
  const { code, verdict } = await verify("--organization", organization.slug);
  expect(code).toBe(1);
  expect(verdict.differences.map(({ problem }) => problem)).toContain("row changed");
  expect(verdict.differences[0]?.organization).toBe(organization.id);
  const other = await makeOrganization(database);
  const { verdict: theirs } = await verify("--organization", other.slug);
  expect(theirs.ok).toBe(true);
});

test("a chain that was cut at its end is found by the checkpoints", async () => {
  const cut = await makeOrganization(database);
  await seal();
  await database.query(
    "insert into core.prompts (organization_id, name, content) values ($1, 'b', 'x')",
    [cut.id],
  );
  await seal();
  expect((await verify("--organization", cut.slug)).verdict.ok).toBe(true);
  // Log, seal and table all at once: what the database still has fits together
  await database.query(
    `do $$ begin
       set local session_replication_role = replica;
       delete from ops.audit_log where organization_id = '${cut.id}' and entity_type in ('core.prompts', 'core.prompt_versions');
       delete from app.audit_seal where organization_id = '${cut.id}' and seq = 2;
       delete from core.prompt_versions where organization_id = '${cut.id}';
       delete from core.prompts where organization_id = '${cut.id}';
     end $$`,
  );
  const { code, verdict } = await verify("--organization", cut.slug);
  expect(code).toBe(1);
  expect(verdict.differences).toEqual([
    expect.objectContaining({ problem: "seal removed", where: "seal 2" }),
  ]);
});

test("a checkpoint that somebody else wrote is named", async () => {
  const text = await readFile(file(), "utf8");
  await appendFile(file(), "forged\n");
  const { verdict } = await verify("--organization", organization.slug);
  expect(verdict.differences.map(({ problem }) => problem)).toContain("checkpoint not ours");
  await writeFile(file(), text);
});
