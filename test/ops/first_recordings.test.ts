import { expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { asMember } from "../helpers/member.ts";
import { makeKey, makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();

const tables = [
  "ops.analysis_run",
  "core.analysis_results",
  "ops.analysis_metric",
  "ops.analysis_node_result",
  "ops.judge_score",
];

test("a session that first recorded into empty tables never reads them as a whole", async () => {
  const organization = await makeOrganization(database);
  const key = await makeKey(database, organization, ["analyses:write", "analyses:read"]);
  await database.query(
    `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'r') returning id)
     insert into ops.judge_criterion (organization_id, rubric_id, key, title) select $1, id, 'a', 'A' from r`,
    [organization.id],
  );
  // So that the planner knows that they are empty, and would take reading them for the cheapest
  for (const table of tables) await database.query(`vacuum ${table}`);
  const read = await asMember(database, key, async (client) => {
    for (let n = 0; n < 5; n++) {
      await client.query(
        `select ops.record_analyses(array(
           select row(gen_random_uuid()::text, null, 'A prompt', null, null, null, null,
               row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
               array[row('latency', n, null, null)::ops.analysis_metric_item],
               array[row('entropy', 'ok', 5, null)::ops.analysis_node_result_item],
               array[row('r', 'a', 9.5, 'good', null)::ops.judge_score_item])::ops.analysis_item
             from generate_series(1, 20) as n))`,
      );
    }
    const { rows } = await client.query<{ relation: string }>(
      `select relid::regclass::text as relation from pg_stat_xact_all_tables
        where relid = any ($1::text[]::regclass[]) and seq_tup_read > 0`,
      [tables],
    );
    return rows;
  });
  expect(read).toEqual([]);
});
