import { beforeAll, expect, test } from "vitest";
import { query, withTestDatabase } from "../helpers/database.ts";
import { startGateway, withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
let organization: TestOrganization;
let key: string;
beforeAll(async () => {
  organization = await makeOrganization(database);
  key = await makeKey(database, organization, ["prompts:read"]);
});

async function scrape(url: string): Promise<Map<string, number>> {
  const answer = await fetch(`${url}/metrics`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split("\n").filter((line) => /^[a-z]/.test(line));
  return new Map(lines.map((line) => {
    const [, series = "", value] = /^(\S+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    return [series, Number(value)];
  }));
}

test("requests and errors are counted, without a word about who asked for what", async () => {
  const before = await scrape(gateway.url);
  await graphql(gateway.url, { key, query: "{ prompts { totalCount } }" });
  await graphql(gateway.url, { key, query: "{ nonsense }" });
  await graphql(gateway.url, { key: "cur_bad", query: "{ prompts { totalCount } }" });
  const after = await scrape(gateway.url);
  const grown = (series: string) => (after.get(series) ?? 0) - (before.get(series) ?? 0);
  expect(grown('curestry_http_requests_total{method="POST",status="2xx"}')).toBe(1);
  expect(grown('curestry_http_requests_total{method="POST",status="4xx"}')).toBe(2);
  expect(grown('curestry_http_request_duration_seconds_count{method="POST"}')).toBe(3);
  expect(grown('curestry_graphql_errors_total{code="INVALID"}')).toBe(1);
  expect(grown('curestry_graphql_errors_total{code="UNAUTHENTICATED"}')).toBe(1);
  expect(after.get("curestry_up")).toBe(1);
  expect(after.get("curestry_database_up")).toBe(1);
  expect(after.get("curestry_pool_waiting")).toBe(0);
  expect(
    (after.get('curestry_pool_connections{state="idle"}') ?? 0) +
      (after.get('curestry_pool_connections{state="in_use"}') ?? 0),
  ).toBeGreaterThan(0);
  expect([...after.keys()].join("\n")).not.toContain(organization.slug);
});

test("unknown methods do not make new series", async () => {
  await fetch(`${gateway.url}/livez`, { method: "PURGE" });
  const series = [...(await scrape(gateway.url)).keys()].join("\n");
  expect(series).toContain('method="other"');
  expect(series).not.toContain("PURGE");
});

test("the database's figures are there: marts, jobs, tasks, workers, the audit log", async () => {
  await database.query(
    "insert into app.mart_change (organization_id, source, hour, created_at) values ($1, 'zone', '2020-01-01Z', now() - interval '1 hour')",
    [organization.id],
  );
  await database.query("select graphile_worker.add_job('refresh_marts')");
  await query(
    database.workerUrl,
    `select app.task_expect('[{"kind": "poll", "task": "a", "seconds": 2}]')`,
  );
  await query(database.workerUrl, "select app.task_note_end('poll', 'a', 3, null)");
  await query(database.workerUrl, "select app.worker_heartbeat_record('me')");
  // A gateway that has not asked yet
  const fresh = await startGateway(database);
  try {
    const found = await scrape(fresh.url);
    expect(found.get('curestry_mart_oldest_change_seconds{mart="analysis_daily"}'))
      .toBeGreaterThanOrEqual(3600);
    expect(found.get('curestry_mart_changes_waiting{mart="metric_timeseries"}')).toBe(1);
    expect(found.get('curestry_jobs{state="waiting"}')).toBe(1);
    expect(found.get('curestry_jobs{state="failed"}')).toBe(0);
    expect(found.get('curestry_task_seconds_since_success{kind="poll",task="a"}'))
      .toBeGreaterThanOrEqual(0);
    expect(found.get('curestry_task_late{kind="poll",task="a"}')).toBe(0);
    expect(found.get("curestry_workers_alive")).toBe(1);
    expect(found.get("curestry_audit_unsealed_seconds")).toBeGreaterThan(0);
  } finally {
    await fresh.stop();
  }
});

test("many who scrape at once make one query", async () => {
  await database.query(`
    alter function app.metrics() rename to metrics_aside;
    create sequence app.test_asked;
    grant usage on sequence app.test_asked to curestry_gateway;
    create function app.metrics() returns table (name text, help text, labels jsonb, value double precision)
      language plpgsql as $$
      begin
        perform pg_sleep(0.2);
        return query select 'asked', 'How often.', '{}'::jsonb, nextval('app.test_asked')::double precision;
      end $$;
    grant execute on function app.metrics() to curestry_gateway;`);
  const fresh = await startGateway(database);
  try {
    const answers = await Promise.all(Array.from({ length: 10 }, () => scrape(fresh.url)));
    expect(answers.map((found) => found.get("asked"))).toEqual(Array(10).fill(1));
  } finally {
    await fresh.stop();
    await database.query(`
      drop function app.metrics();
      drop sequence app.test_asked;
      alter function app.metrics_aside() rename to metrics;`);
  }
});

test("without the database the gateway's own figures remain", async () => {
  await database.query("alter function app.metrics() rename to metrics_aside");
  const fresh = await startGateway(database);
  try {
    const found = await scrape(fresh.url);
    expect(found.get("curestry_database_up")).toBe(0);
    expect(found.get("curestry_up")).toBe(1);
    expect([...found.keys()].join("\n")).not.toContain("curestry_jobs");
  } finally {
    await fresh.stop();
    await database.query("alter function app.metrics_aside() rename to metrics");
  }
});

test("the health report names a mart or a task that is late, and is degraded but not down", async () => {
  await query(
    database.workerUrl,
    `select app.task_expect('[{"kind": "schedule", "task": "a", "seconds": 60}]')`,
  );
  // No worker seals here: on a busy machine the log would be late, too
  await sealAll(database);
  const read = async () => {
    const answer = await fetch(`${gateway.url}/health`);
    return { code: answer.status, ...await answer.json() };
  };
  expect(await read()).toMatchObject({
    status: "degraded",
    problems: ["analysis_daily", "feature_daily", "metric_timeseries"].map((mart) =>
      expect.stringMatching(new RegExp(`^mart ${mart} is 3[67]\\d\\d s behind what was recorded$`))
    ),
    marts: { late: true },
  });
  await database.query("update app.mart_change set created_at = now()");
  expect(await read()).toMatchObject({
    code: 200,
    status: "healthy",
    problems: [],
    marts: { late: false },
  });
  await database.query("update app.task_run set expected_since = now() - interval '211 seconds'");
  expect(await read()).toMatchObject({
    code: 200,
    status: "degraded",
    problems: ["task a (schedule) is late"],
    tasks: [{ task: "a", kind: "schedule", late: true, expected_seconds: 60 }],
    marts: { freshness: { analysis_daily: expect.any(Number) } },
    workers: { alive: expect.any(Number) },
    jobs: { failed: 0 },
  });
  await query(database.workerUrl, "select app.task_note_end('schedule', 'a', 1, null)");
  expect(await read()).toMatchObject({ code: 200, status: "healthy" });
});
