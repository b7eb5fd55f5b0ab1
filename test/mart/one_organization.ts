import { beforeEach } from "vitest";
import type { TestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";

/** The organization of the test that runs, and its marts. */
export interface OneOrganization {
  readonly organization: TestOrganization;
  /** Records a run at each time, with one metric. */
  record(times: string[], value?: string | number, key?: string): Promise<void>;
  refresh(): Promise<void>;
  /** What a recount finds wrong. */
  check(): Promise<Record<string, unknown>[]>;
  /** When the buckets of its metrics begin, on the clocks of a time zone. */
  buckets(size: "hour" | "day", zone?: string): Promise<string[]>;
}

/** Makes each test an organization of its own. Call it at the top of the file, after `withTestDatabase`. */
export function withOrganization(database: TestDatabase): OneOrganization {
  let organization: TestOrganization;
  beforeEach(async () => {
    organization = await makeOrganization(database);
  });
  return {
    get organization() {
      return organization;
    },
    async record(times, value = 1, key = "latency") {
      await database.query(
        `with r as (
           insert into ops.analysis_run (organization_id, status, started_at, finished_at, prompt_content)
           select $1, 'succeeded', t, t, 'x' from unnest($2::timestamptz[]) as t returning id, occurred_at
         )
         insert into ops.analysis_metric (organization_id, analysis_run_id, key, value_num, value_text, occurred_at)
         select $1, r.id, $3, $4::numeric, $5, r.occurred_at from r`,
        [
          organization.id,
          times,
          key,
          typeof value === "number" ? value : null,
          typeof value === "string" ? value : null,
        ],
      );
    },
    async refresh() {
      await database.query("select app.mart_refresh_organization($1)", [organization.id]);
    },
    check: () =>
      database.query(
        "select mart, bucket, waiting from app.mart_check_all(only_organization => $1)",
        [organization.id],
      ),
    async buckets(size, zone = "UTC") {
      const rows = await database.query<{ start: string }>(
        `select to_char(ts_bucket at time zone $3, 'MM-DD HH24:MI') as start from mart.metric_timeseries
          where organization_id = $1 and granularity = $2 order by ts_bucket`,
        [organization.id, size, zone],
      );
      return rows.map(({ start }) => start);
    },
  };
}
