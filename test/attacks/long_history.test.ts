import { beforeAll, expect, onTestFinished, test } from "vitest";
import { makeLog } from "../../src/shared/log.ts";
import { startWorker } from "../../src/worker/start_worker.ts";
import { cli } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { eventually } from "../helpers/eventually.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphqlData } from "../helpers/graphql.ts";
import { recordLongHistory } from "../helpers/long_history.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson, type TestPerson } from "../helpers/token.ts";

/** H4: one history of many days holds up neither the sealing of the audit log nor the marts of others. */

const database = withTestDatabase();
const gateway = withGateway(database);
let person: TestPerson;
let personal: { id: string };
let other: TestOrganization;

/** At most 500 hours or 100 days are processed in one transaction. */
const days = Number(process.env.CURESTRY_TEST_DAYS ?? 1_200);

beforeAll(async () => {
  person = await makePerson(database);
  const [row] = await database.query<{ id: string }>(
    "select id from ops.organization where personal_user_id = $1",
    [person.userId],
  );
  personal = row!;
  other = await makeOrganization(database);
});

const recordDays = () =>
  graphqlData(gateway.url, { token: person.token, ...recordLongHistory(days) });

const setZone = (zone: string) =>
  database.query("update ops.organization set time_zone = $1 where id = $2", [zone, personal.id]);

async function refresh(): Promise<number> {
  const [row] = await database.query<{ hours: number }>(
    "select app.mart_refresh_organization($1) as hours",
    [personal.id],
  );
  return row?.hours ?? 0;
}

const isBehind = async () =>
  (await database.query<{ behind: boolean }>("select app.mart_is_behind($1) as behind", [
    personal.id,
  ]))[0]?.behind ?? false;

const check = async () =>
  await database.query("select * from app.mart_check_all(only_organization => $1)", [personal.id]);

/** What readers see: each day is there, once, with its value. */
async function expectDays(): Promise<void> {
  const [row] = await database.query<{ days: number; events: number }>(
    `select count(*)::int as days, max(events) as events from mart.feature_daily where organization_id = $1`,
    [personal.id],
  );
  expect(row?.events).toBe(1);
  // At the place where the rebuild goes on, two days of the old zone and the new one are one
  expect(Math.abs((row?.days ?? 0) - days)).toBeLessThanOrEqual(1);
}

test("a history is processed in slices, and a change of time zone too", async () => {
  await recordDays();
  let slices = 0;
  for (; await isBehind(); slices++) expect(await refresh()).toBeLessThanOrEqual(500);
  expect(slices).toBe(Math.ceil(days / 500));
  expect(await check()).toEqual([]);

  await setZone("Europe/Berlin");
  for (slices = 0; await isBehind(); slices++) {
    expect(await refresh()).toBeLessThanOrEqual(101 * 25);
    await expectDays();
    // In the middle of it, another change begins it again
    if (slices === 2) await setZone("Asia/Tokyo");
    expect(slices).toBeLessThan(2 * days / 100 + 10);
  }
  expect(await database.query("select time_zone, rebuild_change_id from app.mart_state")).toEqual([
    { time_zone: "Asia/Tokyo", rebuild_change_id: null },
  ]);
  expect(await check()).toEqual([]);
});

test("meanwhile others' marts are brought up to date, and the audit log is sealed", async () => {
  const worker = await startWorker({
    databaseUrl: database.workerUrl,
    log: makeLog("silent"),
    times: { pollIntervalMs: 100 },
  });
  onTestFinished(() => worker.stop());
  await setZone("UTC");
  await eventually(async () =>
    expect(
      await database.query("select from app.mart_state where rebuild_change_id is not null"),
    ).toHaveLength(1)
  );
  await database.query(
    "insert into ops.feature_event (organization_id, feature_key, occurred_at) values ($1, 'f', now())",
    [other.id],
  );
  await eventually(async () =>
    expect(
      await database.query("select from mart.feature_daily where organization_id = $1", [other.id]),
    ).toHaveLength(1)
  );
  await eventually(async () =>
    expect(await database.query("select app.audit_unsealed_seconds() as s")).toEqual([{ s: null }])
  );
  // It was about something
  expect(await isBehind()).toBe(true);
  await eventually(async () => expect(await isBehind()).toBe(false));
  const { code, stdout } = await cli(["rollup", "--check"], { env: database.env });
  expect(`${code} ${stdout}`).toContain("0 The marts agree with what was recorded");
});

test("days are found in a time that grows with them, and not with their square", async () => {
  await database.query(`
    create table public.calls (n int);
    alter function app.bucket_day_start(text, date) rename to day_start;
    create function app.bucket_day_start(zone text, day date) returns timestamptz
      language plpgsql volatile as $$
      begin
        perform set_config('test.calls', (coalesce(nullif(current_setting('test.calls', true), ''), '0')::int + 1)::text, false);
        return app.day_start(zone, day);
      end $$`);
  const [row] = await database.query<{ days: number; calls: number }>(`
    select d.days, current_setting('test.calls')::int as calls
      from (select count(*)::int as days from app.bucket_days('Europe/Berlin',
              array(select '2020-01-01'::timestamptz + n * interval '1 day' from generate_series(1, 1000) n))) d`);
  expect(row?.days).toBe(1000);
  expect(row?.calls).toBeLessThan(3_100);
});
