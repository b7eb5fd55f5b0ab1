import { beforeAll, expect, test } from "vitest";
import type pg from "pg";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { goodRows } from "../schema/good_rows.ts";

/**
 * What proves something later is not changed, by a superuser either (the triggers _200_append_only);
 * an erasure only takes away (_200_erase, app.erasure_only_removes).
 */

const database = withTestDatabase();
let organization: TestOrganization;
let prompt: string;

beforeAll(async () => {
  organization = await makeOrganization(database);
  const [row] = await database.query<{ id: string }>(
    `insert into core.prompts (organization_id, name, content, description)
     values ($1, 'a', 'b', 'c') returning id`,
    [organization.id],
  );
  prompt = row?.id ?? "";
});

const columns: Record<string, string> = {
  "ops.audit_log": "action",
  "app.audit_seal": "seq",
  "app.audit_detachment": "seq",
  "app.erasure": "subject_id",
  "app.installation_secret": "key",
};

test.for(Object.entries(columns))("%s is append-only", async ([table, column]) => {
  for (
    const statement of [
      `update ${table} set ${column} = ${column}`,
      `delete from ${table}`,
      `truncate ${table}`,
    ]
  ) {
    await withClient(database.adminUrl, async (client) => {
      await client.query("begin; set local session_replication_role = replica");
      const row = goodRows[table];
      if (row !== undefined) {
        const names = Object.keys(row).join(", ");
        await client.query(
          `insert into ${table} (${names})
           select ${names} from jsonb_populate_record(null::${table}, $1) on conflict do nothing`,
          [JSON.stringify(row)],
        );
      }
      const { rows: [there] } = await client.query(`select count(*)::int as n from ${table}`);
      expect(there.n).toBeGreaterThan(0);
      await client.query("set local session_replication_role = origin");
      await expect(client.query(statement)).rejects.toMatchObject({ code: "CU002" });
    });
  }
});

/** Begins an erasure, changes entries of the log with it, and says what came of it. */
async function eraseWith(
  change: string,
  {
    begin = "select app.erasure_begin('user', '1')",
    of = `entity_id = '${prompt}' and action = 'insert'`,
  } = {},
): Promise<string> {
  return await withClient(database.adminUrl, async (client: pg.Client) => {
    await client.query("begin");
    await client.query(begin);
    const erasure = "nullif(current_setting('curestry.erasure_id', true), '')::uuid";
    try {
      const { rowCount } = await client.query(
        `update ops.audit_log set ${change.replace("ERASURE", erasure)} where ${of}`,
      );
      return `${rowCount} rows`;
    } catch (error) {
      return (error as pg.DatabaseError).code ?? "";
    }
  });
}

test("an erasure takes values, or whole states, from entries of the log", async () => {
  const one = "erasure_id = ERASURE, after_state = after_state";
  expect(await eraseWith(`${one} - 'description'`)).toBe("1 rows");
  expect(await eraseWith(`${one} || '{"description": null}'`)).toBe("1 rows");
  expect(await eraseWith("erasure_id = ERASURE, after_state = null")).toBe("1 rows");
});

test("an erasure puts nothing in its place", async () => {
  const one = "erasure_id = ERASURE, after_state = after_state";
  expect(await eraseWith(`${one} || '{"description": "d"}'`)).toBe("CU002");
  expect(await eraseWith(`${one} || '{"new": "d"}'`)).toBe("CU002");
  expect(await eraseWith(`${one} || '{"new": null}'`)).toBe("CU002");
  expect(await eraseWith(`erasure_id = ERASURE, before_state = '{"name": "d"}'`)).toBe("CU002");
  expect(await eraseWith("erasure_id = ERASURE, before_state = '{}'")).toBe("CU002");
});

test("an erasure changes nothing but states, and signs what it changed", async () => {
  for (
    const change of ["actor_user_id = 1", "entity_id = 'x'", "ts = ts - interval '1 second'"]
      .concat(
        ["action = 'update'", "request_id = 'x'", "changed_columns = '{name}'"],
      )
  ) {
    expect([change, await eraseWith(`erasure_id = ERASURE, ${change}`)]).toEqual([change, "CU002"]);
  }
  expect(await eraseWith("after_state = null")).toBe("CU002");
  expect(await eraseWith(`erasure_id = '${organization.id}', after_state = null`)).toBe("CU002");
});

test("only an erasure that has just begun changes the log", async () => {
  const change = "erasure_id = ERASURE, after_state = null";
  const pretend = (id: string) => `select set_config('curestry.erasure_id', '${id}', true)`;
  expect(await eraseWith(change, { begin: "select 1" })).toBe("CU002");
  expect(await eraseWith(change, { begin: pretend(organization.id) })).toBe("CU002");
  const [earlier] = await database.query<{ id: string }>(
    "select id from app.erasure_begin('user', '1')",
  );
  expect(await eraseWith(change, { begin: pretend(earlier?.id ?? "") })).toBe("CU002");
  const completed = `select app.erasure_begin('user', '1');
    update app.erasure set counts = '{}' where id = current_setting('curestry.erasure_id')::uuid`;
  expect(await eraseWith(change, { begin: completed })).toBe("CU002");
});

test("the receipt of an erasure is not erased", async () => {
  await database.query("select app.erase_user(app.user_ensure('gone@x.example'))");
  const of = "action = 'erase'";
  const [receipts] = await database.query<{ n: number }>(
    `select count(*)::int as n from ops.audit_log where ${of}`,
  );
  expect(receipts?.n).toBeGreaterThan(0);
  expect(await eraseWith("erasure_id = ERASURE, after_state = null", { of })).toBe("CU002");
});

test("an erasure record gets its counts once, in its own transaction, and keeps the rest", async () => {
  async function attempt(...statements: string[]): Promise<string> {
    return await withClient(database.adminUrl, async (client) => {
      await client.query("begin");
      try {
        for (const statement of statements) await client.query(statement);
        return "done";
      } catch (error) {
        return (error as pg.DatabaseError).code ?? "";
      }
    });
  }
  const begin = "select app.erasure_begin('user', '1')";
  const newest = "where id = current_setting('curestry.erasure_id')::uuid";
  const count = `update app.erasure set counts = '{"a": 1}' ${newest}`;
  expect(await attempt(begin, count)).toBe("done");
  expect(await attempt(begin, count, count)).toBe("CU002");
  expect(await attempt(begin, `update app.erasure set subject_id = '2' ${newest}`)).toBe("CU002");
  const [earlier] = await database.query<{ id: string }>(
    "select id from app.erasure_begin('user', '1')",
  );
  expect(await attempt(`update app.erasure set counts = '{}' where id = '${earlier?.id}'`))
    .toBe("CU002");
});
