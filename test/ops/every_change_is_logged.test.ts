import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { goodRows, LATE, type Values } from "../schema/good_rows.ts";

/**
 * No audited table loses a kind of change, of whoever has SQL: each has the triggers _900_audit_insert,
 * _900_audit_update, _900_audit_delete and _900_audit_truncate, and they write to the log.
 */

const database = withTestDatabase();

/** A change of the good row of each audited table. */
const changes: Record<string, Values> = {
  "core.analysis_results": { overall_score: 7 },
  "core.auth_accounts": { user_id: 2 },
  "core.evaluation_metrics": { metric_value: 2 },
  "core.prompt_relations": { description: "z" },
  "core.prompt_versions": { content: "z" },
  "core.prompts": { name: "z" },
  "core.sessions": { revoked_at: LATE },
  "core.users": { name: "Z" },
  "core.workflow_nodes": { status: "running" },
  "core.workflow_runs": { meta: { a: 1 } },
  "ops.analysis_metric": { value_num: 2 },
  "ops.analysis_node_result": { status: "warn" },
  "ops.analysis_run": { meta: { a: 1 } },
  "ops.analyst_grant": { created_at: LATE },
  "ops.api_key": { name: "z" },
  "ops.feature_event": { event_count: 2 },
  "ops.invitation": { accepted_at: LATE },
  "ops.judge_criterion": { title: "Z" },
  "ops.judge_rubric": { description: "z" },
  "ops.judge_score": { score: 7 },
  "ops.organization": { name: "Z" },
  "ops.organization_user": { role: "admin" },
  "ops.provider_credential": { credential_ref: "vault:z" },
  "app.legal_hold": { reason: "another lawsuit" },
  "app.platform_admin": { granted_at: LATE },
};

test.for(Object.entries(changes))("%s", async ([table, change]) => {
  await withClient(database.adminUrl, async (client) => {
    // What the row points to is not there, and rules about changes have tests of their own
    await client.query(`begin; alter table ${table} disable trigger all`);
    const { rows: triggers } = await client.query<{ name: string }>(
      `select tgname as name from pg_trigger
        where tgrelid = $1::regclass and tgname like '\\_900\\_audit\\_%'`,
      [table],
    );
    for (const { name } of triggers) {
      await client.query(`alter table ${table} enable trigger ${name}`);
    }
    const run = async (statement: string, row: Values) => {
      const columns = Object.keys(row).join(", ");
      await client.query(
        statement.replaceAll("COLUMNS", columns)
          .replace("ROW", `select ${columns} from jsonb_populate_record(null::${table}, $1)`),
        [JSON.stringify(row)],
      );
    };
    await run(`insert into ${table} (COLUMNS) ROW`, goodRows[table] ?? {});
    await run(`update ${table} set (COLUMNS) = (ROW)`, change);
    await client.query(`delete from ${table}`);
    await client.query(`truncate ${table} cascade`);
    const { rows: logged } = await client.query<{ action: string }>(
      "select action from ops.audit_log where entity_type = $1 order by action",
      [table],
    );
    expect(logged.map(({ action }) => action)).toEqual(["delete", "insert", "truncate", "update"]);
    await client.query("rollback");
  });
});

test("every audited table is tried", async () => {
  const rows = await database.query<{ table_name: string }>(
    "select table_name from app.audited_table",
  );
  expect(rows.map(({ table_name }) => table_name).toSorted())
    .toEqual(Object.keys(changes).toSorted());
});
