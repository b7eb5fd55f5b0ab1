import { describe, expect, test } from "vitest";
import { withTestDatabase } from "../helpers/database.ts";
import { withGateway } from "../helpers/gateway.ts";
import { graphql } from "../helpers/graphql.ts";
import { makeKey } from "../helpers/make.ts";
import { withOrganization } from "./one_organization.ts";

const database = withTestDatabase();
const gateway = withGateway(database);
const own = withOrganization(database);
const { record, refresh, check, buckets } = own;

describe("a time zone", () => {
  const HOURS = ["2026-10-31T18:29Z", "2026-10-31T18:31Z", "2026-11-01T05:10Z"];

  test("is that of the organization: hours and days begin on its clocks", async () => {
    await record(HOURS);
    await refresh();
    expect(await buckets("day")).toEqual(["10-31 00:00", "11-01 00:00"]);
    await database.query("update ops.organization set time_zone = 'Asia/Kolkata' where id = $1", [
      own.organization.id,
    ]);
    // Readers see the old hours until all of it is rebuilt
    expect(await buckets("day")).toEqual(["10-31 00:00", "11-01 00:00"]);
    expect((await check()).every(({ waiting }) => waiting)).toBe(true);
    await refresh();
    expect(await buckets("hour", "Asia/Kolkata")).toEqual([
      "10-31 23:00",
      "11-01 00:00",
      "11-01 10:00",
    ]);
    expect(await buckets("day", "Asia/Kolkata")).toEqual(["10-31 00:00", "11-01 00:00"]);
    expect(await check()).toEqual([]);
    const days = await database.query(
      "select day::text, analyses from mart.analysis_daily where organization_id = $1 order by day",
      [own.organization.id],
    );
    expect(days).toEqual([{ day: "2026-10-31", analyses: 1 }, { day: "2026-11-01", analyses: 2 }]);
  });

  test("has a day of 25 hours when its clocks are put back", async () => {
    await database.query(
      "update ops.organization set time_zone = 'Europe/Berlin' where id = $1",
      [own.organization.id],
    );
    const start = Date.parse("2026-10-24T22:00Z");
    await record(
      Array.from({ length: 25 }, (_, n) => new Date(start + (n + 0.5) * 3_600_000).toISOString()),
    );
    await refresh();
    const hours = await buckets("hour", "Europe/Berlin");
    expect(hours).toHaveLength(25);
    expect(hours.filter((hour) => hour === "10-25 02:00")).toHaveLength(2);
    expect(await buckets("day", "Europe/Berlin")).toEqual(["10-25 00:00"]);
    expect(await check()).toEqual([]);
  });

  test("of every kind parts time into hours, and hours into days", async () => {
    // The hours around each change of the clocks, in every zone that has one in these years
    const wrong = await database.query(
      `with change as (
         select z.name as zone, h.hour
           from pg_timezone_names z, generate_series('2007-01-01Z'::timestamptz, '2012-01-01Z', '6 hours') as h (hour)
          where z.name !~ '^(posix|right)/' and z.name ~ any ($1::text[])
            and (h.hour at time zone z.name) + interval '6 hours' <> (h.hour + interval '6 hours') at time zone z.name
       ), hour as (
         select c.zone, c.hour, b.low, b.high,
                lead(b.low) over (partition by c.zone, c.hour order by b.low) as next
           from change c,
                lateral app.bucket_hours(c.zone, array(select generate_series(c.hour - interval '6 hours', c.hour + interval '12 hours', '1 hour'))) as b
       )
       select h.zone, h.low, h.high, h.next
         from hour h
        where h.next <> h.high or h.high <= h.low
           or (select count(*) from app.bucket_days(h.zone, array[h.low]) as d where h.low >= d.low and h.high <= d.high) <> 1`,
      [[
        "Havana",
        "Azores",
        "Sao_Paulo",
        "Lord_Howe",
        "St_Johns",
        "Caracas",
        "Apia",
        "Cairo",
        "Kathmandu",
        "Chatham",
        "Gaza",
        "New_York",
      ]],
    );
    expect(wrong).toEqual([]);
  });

  test.each(["Europe/Atlantis", "CEST", "+02", "", "europe/berlin", "right/UTC", "x".repeat(99)])(
    "is refused, and nothing changes, if it is %j",
    async (timeZone) => {
      const key = await makeKey(database, own.organization, ["organization:write"]);
      const change = (zone: string) =>
        graphql<{ updateOrganization: { organization: { timeZone: string } } }>(gateway.url, {
          key,
          query: `mutation ($id: UUID!, $zone: String!) {
            updateOrganization(input: { id: $id, patch: { timeZone: $zone } }) { organization { timeZone } }
          }`,
          variables: { id: own.organization.id, zone },
        });
      const { errors } = await change(timeZone);
      expect(errors?.[0]?.extensions).toMatchObject({ code: "INVALID", field: "timeZone" });
      const { data } = await change("Pacific/Chatham");
      expect(data?.updateOrganization.organization.timeZone).toBe("Pacific/Chatham");
    },
  );

  test("is not changed without organization:write", async () => {
    const key = await makeKey(database, own.organization, ["marts:read"]);
    await graphql(gateway.url, {
      key,
      query:
        `mutation { updateOrganization(input: { id: "${own.organization.id}", patch: { timeZone: "Asia/Tokyo" } }) { clientMutationId } }`,
    });
    expect(
      await database.query("select time_zone from ops.organization where id = $1", [
        own.organization.id,
      ]),
    ).toEqual([{ time_zone: "UTC" }]);
  });
});
