import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { EARLY, goodRows } from "./good_rows.ts";

/** Who changes a row need not think of updated_at: the trigger _100_updated_at does. */

const database = withTestDatabase();

const tables = [
  "core.prompts",
  "ops.analysis_run",
  "ops.judge_rubric",
  "ops.organization",
  "ops.provider_credential",
];

test.for(tables)("%s", async (table) => {
  await withClient(database.adminUrl, async (client) => {
    await client.query(`begin; alter table ${table} disable trigger all`);
    const row = { ...goodRows[table], created_at: EARLY, updated_at: EARLY };
    const columns = Object.keys(row).join(", ");
    await client.query(
      `insert into ${table} (${columns})
       select ${columns} from jsonb_populate_record(null::${table}, $1)`,
      [JSON.stringify(row)],
    );
    await client.query(`alter table ${table} enable trigger user`);
    const { rows: changed } = await client.query(
      `update ${table} set created_at = created_at where updated_at = $1
       returning updated_at = now() as is_new`,
      [EARLY],
    );
    expect(changed).toEqual([{ is_new: true }]);
  });
});

test("every table with updated_at is tried", async () => {
  const rows = await database.query<{ table: string }>(
    `select attrelid::regclass::text as table from pg_attribute join pg_class c on c.oid = attrelid
      where attname = 'updated_at' and relkind in ('r', 'p')
        and relnamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])`,
  );
  expect(rows.map(({ table }) => table).toSorted()).toEqual(tables);
});
