import { createHash } from "node:crypto";
import { withClient } from "../src/database/open_client.ts";
import { type Benchmark, compare } from "./compare.ts";

const analysesPerBatch = 100;

/** Recording in batches and one by one, with everything on: policies, audit, metrics, changes for the marts. */
export const recordBenchmark: Benchmark = {
  name: "record",
  description:
    `${analysesPerBatch} analyses by ops.record_analyses, in one batch and in ${analysesPerBatch} calls (14 rows each, beside audit and changes for the marts)`,

  async run({ adminUrl }) {
    return await withClient(adminUrl, async (client) => {
      const { rows: [organization] } = await client.query<{ id: string }>(
        "select id from app.organization_create('bench', 'Bench', 'owner@x.example')",
      );
      const { rows: [key] } = await client.query<{ key: string }>(
        "select key from app.api_key_create($1, null, 'bench', '{analyses:write,analyses:read}', null)",
        [organization?.id],
      );
      await client.query(
        `with r as (insert into ops.judge_rubric (organization_id, name) values ($1, 'r') returning id)
         insert into ops.judge_criterion (organization_id, rubric_id, key, title)
         select $1, r.id, k, k from r, unnest(array['a', 'b']) as k`,
        [organization?.id],
      );
      const hash = createHash("sha256").update(key?.key ?? "").digest("hex");

      async function record(items: number): Promise<void> {
        await client.query("begin");
        await client.query("select app.begin_request(null, $1, null, 'bench')", [hash]);
        await client.query("set local role curestry_member");
        const { rows } = await client.query<{ outcome: string }>(
          `select r.outcome
             from ops.record_analyses(array(
               select row(gen_random_uuid()::text, null, 'A prompt that is long enough to be real, number ' || n, null, null, null, null,
                   row('en', null, null, 8, 7, 0.5, 3, null, null, null, null, null, null)::ops.analysis_result_item,
                   array[row('latency', 123.5, null, null)::ops.analysis_metric_item, row('model', null, 'judge', null)::ops.analysis_metric_item],
                   array[row('entropy', 'ok', 5, null)::ops.analysis_node_result_item],
                   array[row('r', 'a', 9.5, 'good', null)::ops.judge_score_item, row('r', 'b', 8.5, 'good', null)::ops.judge_score_item])::ops.analysis_item
                 from generate_series(1, $1::int) as n)) as r`,
          [items],
        );
        await client.query("reset role");
        await client.query("commit");
        if (rows.some(({ outcome }) => outcome !== "inserted")) {
          throw new Error("An analysis was not recorded");
        }
      }

      const comparison = await compare(
        `${analysesPerBatch} analyses`,
        { name: "one batch", work: () => record(analysesPerBatch) },
        {
          name: "one by one",
          work: async () => {
            for (let n = 0; n < analysesPerBatch; n++) await record(1);
          },
        },
        { rounds: 20 },
      );
      const rowsPerSecond = Math.round(analysesPerBatch * 14 / comparison.ours.ms * 1000);
      return [{
        ...comparison,
        what: `${comparison.what}: ${rowsPerSecond} rows a second in batches`,
      }];
    });
  },
};
