import { beforeAll, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";
import { asMember } from "../helpers/member.ts";

/** Every policy of a member is an index condition, and filters nothing row by row. */

const database = withTestDatabase();
let key: string;

beforeAll(async () => {
  key = await makeKey(database, await makeOrganization(database), [
    "prompts:read",
    "analyses:read",
    "workflows:read",
    "rubrics:read",
    "marts:read",
    "members:read",
    "audit:read",
    "keys:write",
    "credentials:write",
  ]);
});

test("the policy of each tenant table is one index condition and no filter", async () => {
  const tables = await database.query<{ name: string; columns: string }>(
    `select c.oid::regclass::text as name,
            string_agg(quote_ident(a.attname), ', ') filter (where has_column_privilege('curestry_member', c.oid, a.attnum, 'select')) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname in ('core', 'ops', 'mart') and c.relkind in ('r', 'p')
        and exists (select from pg_policy p where p.polrelid = c.oid and p.polroles @> array['curestry_member'::regrole::oid])
        and exists (select from pg_attribute o where o.attrelid = c.oid and o.attname = 'organization_id')
      group by c.oid`,
  );
  expect(tables.length).toBeGreaterThan(18);
  for (const { name, columns } of tables) {
    const plan = await asMember(database, key, async (client) => {
      // The tables are all but empty: what matters is what an index can do
      await client.query("set local enable_seqscan = off");
      const { rows } = await client.query<{ "QUERY PLAN": string }>(
        `explain (costs off) select ${columns} from ${name}`,
      );
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    expect(plan, name).toMatch(/Index Cond: \(organization_id = CASE WHEN/);
    expect(plan, name).not.toMatch(/Filter:/);
  }
});

test("the newest runs are read in the order of the index, without a sort", async () => {
  const plan = await asMember(database, key, async (client) => {
    await client.query("set local enable_seqscan = off; set local enable_sort = off");
    const { rows } = await client.query<{ "QUERY PLAN": string }>(
      "explain (costs off) select id from ops.analysis_run order by created_at desc, id desc limit 20",
    );
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  });
  expect(plan).toMatch(/Index (Only )?Scan Backward using idx_analysis_run_organization_id/);
  expect(plan).not.toMatch(/Sort|Filter:/);
});
