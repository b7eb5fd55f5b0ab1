import type { Client } from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeAnalyst, makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";
import { makePerson } from "../helpers/token.ts";
import { type Receipt, withErasures } from "./erasure.ts";

/** Nothing leaves the audit log under the cover of an erasure. */

const database = withTestDatabase();
const { erase, seal, problems } = withErasures(database);

describe("a forged erasure is found", () => {
  /** As somebody who can switch triggers off; undone after it was looked at. */
  async function tamper(work: (client: Client) => Promise<void>): Promise<string[]> {
    return await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      await client.query("set local session_replication_role = replica");
      await work(client);
      const { rows } = await client.query<{ problem: string }>(
        "select problem from app.audit_verify_chain()",
      );
      await client.query("rollback");
      return rows.map(({ problem }) => problem);
    });
  }

  let organization: TestOrganization;
  let receipt: Receipt;
  let entry: string;

  beforeAll(async () => {
    const person = await makePerson(database, "forged@x.example");
    receipt = await erase("user", person.email);
    organization = await makeOrganization(database);
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'x'), ($1, 'b', 'x')",
      [organization.id],
    );
    await seal();
    expect(await problems()).toEqual([]);
    const [row] = await database.query<{ id: string }>(
      "select id from ops.audit_log where organization_id = $1 and entity_type = 'core.prompts' limit 1",
      [organization.id],
    );
    entry = row?.id ?? "";
  });

  test.each<[string, (client: Client) => Promise<unknown>, string]>([
    [
      "states taken out and nothing said",
      (client) =>
        client.query("update ops.audit_log set after_state = null where id = $1", [entry]),
      "row changed",
    ],
    [
      "an erasure that has no receipt",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = null, erasure_id = gen_random_uuid() where id = $1",
          [entry],
        ),
      "erased without a record",
    ],
    [
      "a receipt that nobody recorded",
      (client) =>
        client.query(
          `with e as (insert into app.erasure (kind, subject_id, counts) values ('user', '1', '{"ops.audit_log": 1}') returning id)
           update ops.audit_log set after_state = null, erasure_id = (select id from e) where id = $1`,
          [entry],
        ),
      "erased without a record",
    ],
    [
      "another receipt, of another organization's log",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = null, erasure_id = $2 where id = $1",
          [entry, receipt.id],
        ),
      "erased without a record",
    ],
    [
      "one row more than the receipt says",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = null, erasure_id = $1
            where id = (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id is null limit 1)`,
          [receipt.id],
        ),
      "erased beyond the record",
    ],
    [
      "one row instead of another",
      (client) =>
        client.query(
          `update ops.audit_log
              set after_state = null, erasure_id = case when erasure_id is null then $1::uuid end
            where id = any (array[
              (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id is null limit 1),
              (select id from ops.audit_log where entity_type = 'core.users' and action = 'insert' and erasure_id = $1 limit 1)])`,
          [receipt.id],
        ),
      "erased beyond the record",
    ],
    [
      "what an erased row still says",
      (client) =>
        client.query(
          "update ops.audit_log set after_state = after_state || '{\"created_at\": 1}' where erasure_id = $1 and entity_type = 'core.users'",
          [receipt.id],
        ),
      "erased beyond the record",
    ],
    [
      "what was erased with other values",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = after_state || '{"name": "Forged"}', erasure_id = null
            where erasure_id = $1 and entity_type = 'core.users'`,
          [receipt.id],
        ),
      "row changed",
    ],
    [
      "the counts of a receipt",
      (client) => client.query(`update app.erasure set counts = '{}' where id = $1`, [receipt.id]),
      "erasure record changed",
    ],
    [
      "a receipt that is gone",
      (client) => client.query("delete from app.erasure where id = $1", [receipt.id]),
      "erasure record removed",
    ],
    [
      "the act that is gone",
      (client) =>
        client.query(
          "delete from ops.audit_log where action = 'erase' and after_state ->> 'erasure' = $1",
          [
            receipt.id,
          ],
        ),
      "row removed",
    ],
    [
      "the act, to say more",
      (client) =>
        client.query(
          `update ops.audit_log set after_state = after_state || '{"entries": {}}' where action = 'erase' and after_state ->> 'erasure' = $1`,
          [receipt.id],
        ),
      "row changed",
    ],
  ])("%s", async (_, work, problem) => {
    expect(await tamper(async (client) => void await work(client))).toContain(problem);
  });

  test("and the log refuses every update but that of an erasure, also for a superuser", async () => {
    const statement = "update ops.audit_log set after_state = null where id = $1";
    await expect(database.query(statement, [entry])).rejects.toMatchObject({ code: "CU002" });
    const forge = (set: string, counts = "null") =>
      withClient(database.adminUrl, async (client) => {
        await client.query("begin");
        const { rows: [row] } = await client.query<{ id: string }>(
          `insert into app.erasure (kind, subject_id, counts) values ('user', '1', ${counts}) returning id`,
        );
        await client.query("select set_config('curestry.erasure_id', $1, true)", [row?.id]);
        try {
          await client.query(
            `update ops.audit_log set erasure_id = '${row?.id}', ${set} where id = $1`,
            [entry],
          );
        } finally {
          await client.query("rollback");
        }
      });
    // The one that is allowed: values taken out
    await forge("after_state = null");
    await forge("after_state = after_state || '{\"content\": null}'");
    for (
      const set of [
        "action = 'delete'",
        "actor_role = 'x'",
        "entity_id = 'x'",
        'after_state = after_state || \'{"content": "other"}\'',
        "after_state = after_state || '{\"more\": null}'",
        "before_state = '{}'",
        "seq = default",
      ]
    ) await expect(forge(set), set).rejects.toMatchObject({ code: /CU002|23502/ });
    await expect(forge("after_state = null", "'{}'")).rejects.toMatchObject({ code: "CU002" });
  });
});

test("nobody but operators erases, holds or releases, or touches the log or the receipts", async () => {
  const organization = await makeOrganization(database);
  const person = await makePerson(database, "safe@x.example");
  const key = await makeKey(database, organization, ["organization:write", "audit:read"]);
  const analyst = await makeAnalyst(database, [organization]);
  const statements = [
    `select app.erase_user(${person.userId})`,
    `select app.erase_organization('${organization.id}')`,
    `select app.erase_organization_rows('${organization.id}', gen_random_uuid())`,
    "select app.erasure_begin('user', '1')",
    `select app.legal_hold_place('${organization.id}', null, 'x')`,
    "select app.legal_hold_release(gen_random_uuid())",
    "select app.legal_hold_list()",
    "select * from app.legal_hold",
    "insert into app.erasure (kind, subject_id) values ('user', '1')",
    "update ops.audit_log set after_state = null",
    "delete from ops.audit_log",
    "truncate ops.audit_log",
  ];
  for (const statement of statements) {
    const set =
      "set curestry.erasure_id = '00000000-0000-4000-8000-000000000000'; set transaction_read_only = off";
    for (const url of [analyst, database.workerUrl, database.gatewayUrl]) {
      await expect(
        withClient(url, async (client) => {
          await client.query(`${set}; ${statement}`);
        }),
        statement,
      ).rejects.toMatchObject({ code: "42501" });
    }
    await expect(
      asMember(database, key, async (client) => {
        await client.query(`${set}; ${statement}`);
      }),
    ).rejects.toMatchObject({ code: "42501" });
  }
  expect(
    await query(database.adminUrl, "select email from core.users where id = $1", [person.userId]),
  ).toEqual([{ email: "safe@x.example" }]);
});
