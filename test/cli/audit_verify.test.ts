import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { type AuditSeal, makeCheckpoints } from "../../src/maintenance/checkpoints.ts";
import { readCheckpoints } from "../../src/maintenance/read_checkpoints.ts";
import { readCheckpointKey } from "../../src/shared/read_jwt_keys.ts";
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
  checkpoints: number;
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
  const lines = (await readFile(file(), "utf8")).trim().split("\n");
  expect(verdict).toEqual({ ok: true, checkpoints: lines.length, differences: [] });
  expect(code).toBe(0);
  expect(lines.length).toBeGreaterThan(0);
  expect(await readFile(join(dataDir, "carried"), "utf8")).toContain(lines.at(-1));
});

/** A grace of a few rounds of sealing, without which a seal that is just being made were a difference. */
async function passGrace(): Promise<void> {
  await eventually(async () => {
    const rows = await database.query(
      "select from app.audit_seal where sealed_at > clock_timestamp() - interval '6 seconds'",
    );
    expect(rows).toEqual([]);
  });
}

describe("when seals are older than a few rounds of sealing", () => {
  beforeAll(passGrace);

  test("a file that is missing is a difference, also after the worker began another", async () => {
    await rename(file(), `${file()}.away`);
    const { code, verdict } = await verify();
    expect(code).toBe(1);
    expect(verdict).toMatchObject({
      checkpoints: 0,
      differences: expect.arrayContaining([
        expect.objectContaining({ problem: "checkpoints missing", where: file() }),
        expect.objectContaining({ problem: "checkpoint missing", organization: organization.id }),
      ]),
    });
    await database.query("insert into core.users (email) values ('new@x.example')");
    await seal();
    const { verdict: later } = await verify();
    expect(later.differences).toContainEqual(
      expect.objectContaining({ problem: "checkpoint missing", organization: organization.id }),
    );
    const begun = await readFile(file(), "utf8");
    await writeFile(file(), await readFile(`${file()}.away`, "utf8") + begun);
    expect((await verify()).verdict).toMatchObject({ ok: true, differences: [] });
  });

  test("a file that was cut is a difference, for each chain whose newest seal it lacks", async () => {
    const text = await readFile(file(), "utf8");
    const rest = text.split("\n").filter((line) =>
      line !== "" &&
      JSON.parse(Buffer.from(line.split(".")[1] ?? "", "base64url").toString()).organization !==
        organization.id
    );
    await writeFile(file(), `${rest.join("\n")}\n`);
    const { verdict } = await verify();
    expect(verdict.checkpoints).toBe(rest.length);
    expect(verdict.differences).toEqual([
      expect.objectContaining({ problem: "checkpoint missing", organization: organization.id }),
    ]);
    await writeFile(file(), text);
    expect((await verify()).verdict.ok).toBe(true);
  });

  test("a seal whose first checkpoint is from much later is a difference", async () => {
    expect(
      await database.query(
        `select from app.audit_unwitnessed_seals((
           select jsonb_agg(jsonb_build_object('organization', organization_id, 'seq', seq, 'at', sealed_at + interval '1 minute')) from app.audit_seal))`,
      ),
    ).toEqual([]);
    const late = await database.query(
      `select organization from app.audit_unwitnessed_seals((
         select jsonb_agg(jsonb_build_object('organization', organization_id, 'seq', seq, 'at', sealed_at + interval '1 hour')) from app.audit_seal))`,
    );
    expect(late.length).toBeGreaterThan(0);
  });
});

test("checkpoints that could not be written are written later", async () => {
  const folder = join(dataDir, "later");
  const checkpoints = makeCheckpoints({
    key: await readCheckpointKey(readSettings(env())),
    file: join(folder, "audit-checkpoints"),
  });
  await writeFile(folder, "");
  const seals = [{ organization_id: organization.id, seq: 1, hash: "00", sealed_rows: 1 }];
  await expect(checkpoints.write(seals)).rejects.toThrow();
  await rm(folder);
  await checkpoints.write([]);
  await checkpoints.write([]);
  expect((await readFile(join(folder, "audit-checkpoints"), "utf8")).trim().split("\n"))
    .toHaveLength(1);
});

test("a worker that finds the file shorter than it left it says so, signed", async () => {
  const text = await readFile(file(), "utf8");
  const checkpoints = await readCheckpoints(readSettings(env()));
  const heads = await database.query<AuditSeal>(
    "select organization_id, seq, hash, 1 as sealed_rows from app.audit_heads()",
  );
  await checkpoints.write(heads);
  await checkpoints.write(heads);
  expect((await verify()).verdict.differences).toEqual([]);
  await writeFile(file(), text);
  await checkpoints.write(heads);
  expect((await verify()).verdict.differences.map(({ problem }) => problem)).toEqual([
    "checkpoints cut",
  ]);
  const { code } = await cli(["audit", "accept-restore", "--yes"], { env: env() });
  expect(code).toBe(0);
  expect((await verify()).verdict.differences).toEqual([]);
  await writeFile(file(), text);
});

test("what was committed is sealed within a second", async () => {
  const worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
    checkpoints: await readCheckpoints(readSettings(env())),
  });
  try {
    for (let n = 0; n < 3; n++) {
      await database.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'soon', 'x')",
        [organization.id],
      );
      await eventually(async () =>
        expect(
          await database.query(
            "select from ops.audit_log a, app.audit_sealer s where a.xid >= s.through_xid",
          ),
        ).toEqual([])
      );
    }
    const [row] = await database.query<{ seconds: number }>(
      `select max(extract(epoch from s.sealed_at - a.ts))::float8 as seconds
         from ops.audit_log a join app.audit_seal s on s.entry_ids @> array[a.id]
        where a.entity_type = 'core.prompts' and a.after_state ->> 'name' = 'soon'`,
    );
    expect(row?.seconds).toBeLessThan(2);
  } finally {
    await worker.stop();
  }
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
