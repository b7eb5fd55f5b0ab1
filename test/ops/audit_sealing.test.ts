import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import type { TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";
import { CHAIN, TABLES, withAuditedWork } from "./audited_work.ts";

/** The audit log is sealed behind its writers. */

const database = withTestDatabase();
const { organizations, work, seal } = withAuditedWork(database);

describe("sealing", () => {
  test("covers every row once, whatever commits late, and does not wait for writers", async () => {
    await sealAll(database);
    const [organization] = organizations;
    await withClient(database.adminUrl, async (late) => {
      await late.query("begin");
      await late.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'late', 'x')",
        [organization?.id],
      );
      await work(organization as TestOrganization, 1);
      // The writer that is still under way holds sealing back, and is not held up by it
      expect(await seal()).toBe(0);
      await late.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'later', 'x')",
        [organization?.id],
      );
      await late.query("commit");
    });
    await sealAll(database);
    const [row] = await database.query<{ rows: number; sealed: number; distinct: number }>(
      `select (select count(*)::int from ops.audit_log a, app.audit_sealer s where a.xid < s.through_xid) as rows,
              (select sum(cardinality(entry_ids))::int from app.audit_seal) as sealed,
              (select count(distinct id)::int from app.audit_seal, unnest(entry_ids) as id) as distinct`,
    );
    expect(row?.sealed).toBe(row?.rows);
    expect(row?.distinct).toBe(row?.rows);
    expect(await database.query(CHAIN)).toEqual([]);
  });

  test("by many at once, with writers, makes one chain", async () => {
    await Promise.all([
      ...organizations.map((organization) => work(organization, 5)),
      ...Array.from({ length: 6 }, async () => {
        for (let n = 0; n < 5; n++) {
          await seal();
          await sleep(20);
        }
      }),
    ]);
    await seal();
    expect(await database.query(CHAIN)).toEqual([]);
  });

  test("what a rolled back transaction wrote is in no seal", async () => {
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query(
        "insert into core.prompts (organization_id, name, content) values ($1, 'never', 'x')",
        [organizations[0]?.id],
      );
      await client.query("rollback");
    });
    await seal();
    expect(await database.query(CHAIN)).toEqual([]);
    expect(await database.query(TABLES)).toEqual([]);
  });

  test("seals and log are append-only, for the superuser too unless triggers are switched off", async () => {
    for (const table of ["ops.audit_log", "app.audit_seal"]) {
      for (
        const statement of [
          `delete from ${table}`,
          `update ${table} set organization_id = organization_id`,
          `truncate ${table}`,
        ]
      ) {
        await expect(database.query(statement)).rejects.toMatchObject({ code: "CU002" });
      }
    }
  });
});
