import { expect, test } from "vitest";
import { findChanges } from "../../src/cli/doctor/security.ts";
import { withClient } from "../../src/database/open_client.ts";
import { breachesBy } from "../helpers/breaches.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";

/** Whatever a superuser changes by hand, so that rules no longer hold, `doctor --security` names. */

const database = withTestDatabase();
const role = database.roleName("intruder");

test("a database that was just migrated has none", async () => {
  expect(await withClient(database.adminUrl, findChanges)).toEqual([]);
});

test.each(breachesBy(role, database.name))(
  "names %s, with what to do",
  async (_, breach, object) => {
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query(breach);
      const findings = await findChanges(client);
      await client.query("rollback");
      expect(findings.map((finding) => finding.object)).toContainEqual(
        expect.stringMatching(new RegExp(`^${RegExp.escape(object)}`)),
      );
      expect(findings.filter(({ cure }) => !cure)).toEqual([]);
    });
  },
);

test("a restore into another server, and more months, are no change", async () => {
  await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query("update app.audit_sealer set through_xid = through_xid + 1000000000");
    await client.query("set local role curestry_owner");
    await client.query("select app.audit_continue_xids()");
    await client.query("update app.partitioned_table set months_ahead = 9");
    await client.query("select app.partition_make_all()");
    expect(await findChanges(client)).toEqual([]);
    await client.query("rollback");
  });
});

test("the command says so, in words for people", async () => {
  await query(
    database.adminUrl,
    "create policy extra on core.prompts for select to curestry_member using (true)",
  );
  const { code, stdout } = await cli(["doctor", "--security"], { env: database.env });
  expect(code).toBe(1);
  expect(stdout).toContain("Not so: the database is what the migrations make");
  expect(stdout).toMatch(/^ {2}policy extra on core\.prompts is none of ours\n {2}→ find out/m);
  await query(database.adminUrl, "drop policy extra on core.prompts");
  expect(await cliJson(["doctor", "--security"], { env: database.env }))
    .toEqual({ ok: true, findings: [] });
});
