import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withOrganization } from "./one_organization.ts";

const database = withTestDatabase();
const own = withOrganization(database);
const { record, refresh, check } = own;

describe("quantiles", () => {
  test("are within 1 % of the number at that rank, and merge exactly", async () => {
    const number = fc.oneof(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: -1e290, max: 1e290, noNaN: true }).filter((x) => Math.abs(x) > 1e-290),
      fc.constant(0),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(number.map((x) => Math.abs(x) < 1e-290 ? 0 : x), { minLength: 1, maxLength: 60 }),
        fc.array(number.map((x) => Math.abs(x) < 1e-290 ? 0 : x), { maxLength: 60 }),
        fc.integer({ min: 0, max: 100 }),
        async (one, two, percent) => {
          const [row] = await database.query<
            { quantile: number; merged: object; whole: object }
          >(
            `with s as (
               select part, app.sketch_slot(x::numeric) as slot, count(*) as n
                 from (select 1 as part, unnest($1::float8[]) as x union all select 2, unnest($2::float8[])) v group by 1, 2
             ), p as (select jsonb_object_agg(slot, n) as sketch from s group by part),
             w as (select jsonb_object_agg(slot, n) as sketch from (select slot, sum(n) as n from s group by slot) t)
             select mart.quantile(w.sketch, $3::numeric / 100)::float8 as quantile,
                    (select mart.merge_sketches(array_agg(sketch)) from p) as merged, w.sketch as whole from w`,
            [one, two, percent],
          );
          const sorted = [...one, ...two].toSorted((a, b) => a - b);
          const exact = sorted[Math.max(Math.ceil(sorted.length * percent / 100) - 1, 0)] ?? NaN;
          expect(Math.abs((row?.quantile ?? NaN) - exact))
            .toBeLessThanOrEqual(Math.abs(exact) * 0.0100001);
          expect(row?.merged).toEqual(row?.whole);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("of numbers beyond a double's range are held by the largest and the smallest", async () => {
    await record(["2026-01-01T05:00Z"], 1, "huge");
    await database.query(
      "update ops.analysis_metric set value_num = 1e2000 where organization_id = $1",
      [own.organization.id],
    );
    await refresh();
    const [row] = await database.query(
      "select (value_json ->> 'p50')::numeric = 1e2000 as is_exact from mart.metric_timeseries where organization_id = $1 and granularity = 'day'",
      [own.organization.id],
    );
    expect(row).toEqual({ is_exact: true });
    expect(await check()).toEqual([]);
  });
});

test("of many distinct texts 100 are counted one by one, and days still merge exactly", async () => {
  for (let n = 0; n < 250; n++) {
    const time = `2026-01-01T${String(n % 5).padStart(2, "0")}:10Z`;
    await record(n % 3 ? [time] : [time, "2026-01-01T09:10Z"], `text ${n}`, "text");
  }
  await refresh();
  const [day] = await database.query<{ words: number; counted: number; other: number }>(
    `select (select count(*)::int from jsonb_object_keys(value_json -> 'counts')) as words,
            (select sum(value::int)::int from jsonb_each_text(value_json -> 'counts')) as counted,
            (value_json ->> 'other')::int as other
       from mart.metric_timeseries where organization_id = $1 and granularity = 'day'`,
    [own.organization.id],
  );
  expect(day?.words).toBe(100);
  expect((day?.counted ?? 0) + (day?.other ?? 0)).toBe(250 + 84);
  expect(await check()).toEqual([]);
});
