import { afterEach, beforeAll, expect, test } from "vitest";
import { cli, cliJson } from "../helpers/cli.ts";
import { withTestDatabase } from "../helpers/database.ts";
import { makeOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const options = () => ({ env: database.env });

interface Jobs {
  jobs: { id: string; task: string; state: string; attempts: number; error: string | null }[];
}

beforeAll(async () => {
  await makeOrganization(database, { owner: "anna@example.com" });
});
afterEach(() => database.query("delete from graphile_worker._private_jobs"));

async function addJobs(): Promise<{ failed: string; waiting: string }> {
  const [row] = await database.query<{ failed: string; waiting: string }>(
    `select (graphile_worker.add_job('seal_audit', '{"secret": "canary"}', max_attempts => 3)).id as failed,
            (graphile_worker.add_job('refresh_marts')).id as waiting`,
  );
  await database.query(
    "update graphile_worker._private_jobs set attempts = 3, last_error = E'It\\nfailed' where id = $1",
    [row?.failed],
  );
  return row ?? { failed: "", waiting: "" };
}

test("jobs are listed with state and error, and not with what they are about", async () => {
  const { failed, waiting } = await addJobs();
  const { jobs } = await cliJson<Jobs>(["jobs"], options());
  expect(jobs).toMatchObject([
    { id: failed, task: "seal_audit", state: "failed", attempts: 3, error: "It\nfailed" },
    { id: waiting, task: "refresh_marts", state: "waiting", attempts: 0, error: null },
  ]);
  expect((await cliJson<Jobs>(["jobs", "--failed"], options())).jobs.map(({ id }) => id))
    .toEqual([failed]);
  const { code, stdout } = await cli(["jobs"], options());
  expect(code).toBe(0);
  expect(stdout).toMatch(/seal_audit +failed +3 of 3 +It failed/);
  expect(stdout).not.toContain("canary");
});

test("a failed job is retried, or cancelled; what runs or is not there is refused", async () => {
  const { failed, waiting } = await addJobs();
  expect(await cliJson(["jobs", "retry", failed], options()))
    .toEqual({ id: failed, task: "seal_audit", retried: true });
  expect((await cliJson<Jobs>(["jobs"], options())).jobs[0])
    .toMatchObject({ id: failed, attempts: 0, state: "retrying" });
  expect(await cliJson(["jobs", "cancel", failed], options()))
    .toEqual({ id: failed, task: "seal_audit", cancelled: true });
  expect(await cliJson(["jobs", "cancel", failed], options(), 1))
    .toEqual({ error: { code: "NOT_FOUND", message: `There is no job ${failed}`, field: "id" } });
  await database.query("update graphile_worker._private_jobs set locked_at = now()");
  expect(await cliJson(["jobs", "retry", waiting], options(), 1))
    .toMatchObject({ error: { code: "CONFLICT" } });
  expect((await cliJson<Jobs>(["jobs"], options())).jobs)
    .toMatchObject([{ id: waiting, state: "running" }]);
  expect((await cli(["jobs", "retry", "x"], options())).code).toBe(2);
});

test("operators are made, listed and unmade; an unknown user is refused", async () => {
  await database.query("select app.user_ensure('bert@example.com')");
  await cliJson(["operator", "grant", "bert@example.com"], options());
  const bert = { email: "bert@example.com", grantedAt: expect.any(String) };
  expect(await cliJson(["operator", "grant", "anna@example.com"], options()))
    .toEqual({ email: "anna@example.com", operator: true });
  expect(await cliJson(["operator", "grant", "nobody@example.com"], options(), 1)).toEqual({
    error: {
      code: "NOT_FOUND",
      message: "There is no user with the e-mail address nobody@example.com",
      field: "email",
    },
  });
  expect(await cliJson(["operator", "list"], options())).toEqual({
    operators: [{ email: "anna@example.com", grantedAt: expect.any(String) }, bert],
  });
  expect(await cliJson(["operator", "revoke", "anna@example.com"], options()))
    .toMatchObject({ revoked: true });
  expect(await cliJson(["operator", "revoke", "anna@example.com"], options()))
    .toMatchObject({ revoked: false });
  expect(await cliJson(["operator", "list"], options())).toEqual({ operators: [bert] });
});

test("rollup brings all others up to date when one organization fails, and says which", async () => {
  const [bad, good] = [await makeOrganization(database), await makeOrganization(database)];
  await database.query(
    `insert into app.mart_change (organization_id, source, hour) values ($1, 'metric', '2020-01-01Z'), ($2, 'metric', '2020-01-01Z')`,
    [bad.id, good.id],
  );
  await database.query(`
    alter function app.mart_refresh_organization(uuid) rename to refresh_for_later;
    create function app.mart_refresh_organization(organization uuid) returns integer
      language plpgsql security definer set search_path = '' as $$
      begin
        if organization = '${bad.id}' then raise 'no luck'; end if;
        return app.refresh_for_later(organization);
      end $$;
    alter function app.mart_refresh_organization(uuid) owner to curestry_definer;`);
  try {
    expect(await cliJson(["rollup"], options(), 1)).toMatchObject({
      ok: false,
      failed: [{ organizationId: bad.id, message: "no luck" }],
    });
    expect(await database.query("select organization_id as id from app.mart_change"))
      .toEqual([{ id: bad.id }]);
  } finally {
    await database.query(`
      drop function app.mart_refresh_organization(uuid);
      alter function app.refresh_for_later(uuid) rename to mart_refresh_organization;`);
  }
  expect(await cliJson(["rollup"], options())).toMatchObject({ ok: true });
});
