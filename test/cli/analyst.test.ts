import type { Client } from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { openClient, withClient } from "../../src/database/open_client.ts";
import { cli, cliJson } from "../helpers/cli.ts";
import { query, withTestDatabase } from "../helpers/database.ts";
import { makeAnalyst, makeOrganization, type TestOrganization } from "../helpers/make.ts";

const database = withTestDatabase();
const { env } = database;

interface Refusal {
  error: { code: string; message: string; field?: string };
}

let organizations: TestOrganization[];
let slugs: string[];

beforeAll(async () => {
  organizations = [];
  for (const slug of ["first", "second", "third"]) {
    const organization = await makeOrganization(database, { slug });
    organizations.push(organization);
    await database.query(
      "insert into core.prompts (organization_id, name, content) values ($1, $2, 'c')",
      [organization.id, slug],
    );
  }
  slugs = organizations.map(({ slug }) => slug);
});

/** Makes an analyst of the first organization. */
async function makeFirst(): Promise<{ name: string; url: string }> {
  const url = await makeAnalyst(database, organizations.slice(0, 1));
  return { name: decodeURIComponent(new URL(url).username), url };
}

async function readable(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ organization: string }>(
    "select organization from report.prompts order by organization",
  );
  return rows.map(({ organization }) => organization);
}

describe("analyst grant, revoke and list", () => {
  test("what is granted can be read with the next statement, what is revoked cannot", async () => {
    const { name, url } = await makeFirst();
    const other = await makeAnalyst(database, organizations);
    const args = ["--name", name, "--organization", "second,third"];
    await withClient(url, async (analyst) => {
      expect(await readable(analyst)).toEqual(["first"]);
      expect(await cliJson(["analyst", "grant", ...args], { env }))
        .toEqual({ name, granted: ["second", "third"] });
      expect(await readable(analyst)).toEqual(["first", "second", "third"]);

      expect(await cliJson<{ analysts: unknown[] }>(["analyst", "list"], { env })).toMatchObject({
        analysts: expect.arrayContaining([{ name, organizations: slugs, connections: 1 }]),
      });

      expect(
        await cliJson(
          [
            "analyst",
            "revoke",
            "--name",
            name,
            "--organization",
            "second",
            "--organization",
            "first",
          ],
          { env },
        ),
      ).toEqual({ name, revoked: ["second", "first"], notGranted: [] });
      // What it had opened has ended
      await expect(readable(analyst)).rejects.toThrow();
    });
    await withClient(url, async (analyst) => {
      expect(await readable(analyst)).toEqual(["third"]);
    });
    expect(await cliJson(["analyst", "revoke", ...args], { env }))
      .toEqual({ name, revoked: ["third"], notGranted: ["second"] });
    await withClient(url, async (analyst) => {
      expect(await readable(analyst)).toEqual([]);
    });
    expect(await withClient(other, readable)).toEqual(slugs);
  });

  test("a grant takes effect inside a transaction too, and twice is once", async () => {
    const { name, url } = await makeFirst();
    await withClient(url, async (analyst) => {
      await analyst.query("begin isolation level read committed");
      const args = ["analyst", "grant", "--name", name, "--organization", "second"];
      for (let time = 1; time <= 2; time++) await cliJson(args, { env });
      expect(await readable(analyst)).toEqual(["first", "second"]);
    });
  });

  test("people are told in words", async () => {
    const { name } = await makeFirst();
    const say = async (...args: string[]) =>
      (await cli(["analyst", ...args, "--name", name, "--organization", "second"], { env })).stdout;
    expect(await say("grant")).toBe(`The analyst ${name} may read second\n`);
    expect(await say("revoke")).toBe(`The analyst ${name} may no longer read second\n`);
    expect(await say("revoke")).toBe(`The analyst ${name} could not read second before\n`);
    const { stdout } = await cli(["analyst", "list"], { env });
    expect(stdout).toMatch(new RegExp(`^${name} +0 +first$`, "m"));
  });

  test.each(["grant", "revoke"])("%s refuses a role that is no analyst", async (command) => {
    for (const name of ["postgres", "curestry_worker", "curestry_analyst", "nobody"]) {
      const args = ["analyst", command, "--name", name, "--organization", "first"];
      expect(await cliJson<Refusal>(args, { env }, 1)).toEqual({
        error: { code: "NOT_FOUND", field: "name", message: `There is no analyst named ${name}` },
      });
    }
    expect(await database.query("select from ops.analyst_grant where role_name = 'nobody'"))
      .toEqual([]);
  });

  test.each(["grant", "revoke"])(
    "%s does nothing if one of the organizations is unknown",
    async (command) => {
      const { name, url } = await makeFirst();
      const args = ["analyst", command, "--name", name, "--organization", "second,first,nowhere"];
      expect((await cliJson<Refusal>(args, { env }, 1)).error).toMatchObject({
        code: "NOT_FOUND",
        field: "organization",
      });
      expect(await withClient(url, readable)).toEqual(["first"]);
    },
  );

  test("the audit log has who was given what", async () => {
    const { name } = await makeFirst();
    await cliJson(["analyst", "grant", "--name", name, "--organization", "second"], { env });
    await cliJson(["analyst", "revoke", "--name", name, "--organization", "second"], { env });
    const rows = await database.query<{ action: string }>(
      `select l.action from ops.audit_log l
        where l.organization_id = $1 and l.entity_type = 'ops.analyst_grant' and l.entity_id = $2
        order by l.ts`,
      [organizations[1]?.id, name],
    );
    expect(rows).toEqual([{ action: "insert" }, { action: "delete" }]);
  });
});

describe("analyst create", () => {
  test.each([
    "Upper",
    "1first",
    "_first",
    "a-b",
    "a b",

    "curestry_x",
    "a".repeat(64),
    "pg_x",
  ])(
    "refuses the name %j",
    async (name) => {
      const args = ["analyst", "create", "--name", name, "--organization", "first"];
      const { error } = await cliJson<Refusal>(args, { env }, 1);
      expect(error).toMatchObject({ code: "INVALID", field: "name" });
      expect(await database.query("select from pg_roles where rolname = $1", [name])).toEqual([]);
    },
  );

  test("refuses a name that is taken, and an organization that is not there", async () => {
    const { name } = await makeFirst();
    const create = (analyst: string, organization: string) =>
      cliJson<Refusal>(
        ["analyst", "create", "--name", analyst, "--organization", organization],
        { env },
        1,
      );
    expect((await create(name, "first")).error).toMatchObject({ code: "CONFLICT", field: "name" });
    const free = database.roleName("free");
    expect((await create(free, "first,nowhere")).error)
      .toMatchObject({ code: "NOT_FOUND", field: "organization" });
    expect(await database.query("select from pg_roles where rolname = $1", [free])).toEqual([]);
    await expect(database.query("select app.analyst_create($1, 'x', '{}')", [free])).rejects
      .toThrow("organization: at least one is required");
  });
});

describe("analyst drop", () => {
  test("removes the login and its grants", async () => {
    const { name, url } = await makeFirst();
    expect(await cliJson(["analyst", "drop", "--name", name], { env })).toEqual({ name });
    await expect(openClient(url, { retryForMs: 0 })).rejects.toThrow(
      "password authentication failed",
    );
    expect(await database.query("select from ops.analyst_grant where role_name = $1", [name]))
      .toEqual([]);
    expect(await database.query("select from pg_roles where rolname = $1", [name])).toEqual([]);
  });

  test("of one who is connected ends the connection", async () => {
    const { name, url } = await makeFirst();
    const analyst = await openClient(url);
    expect(await readable(analyst)).toEqual(["first"]);
    expect(await cliJson(["analyst", "drop", "--name", name], { env })).toEqual({ name });
    await expect(readable(analyst)).rejects.toThrow();
    await analyst.end().catch(() => {});
  });

  test("refuses a role that is no analyst", async () => {
    for (const name of ["curestry_backup", "nobody"]) {
      expect(await cliJson<Refusal>(["analyst", "drop", "--name", name], { env }, 1)).toEqual({
        error: { code: "NOT_FOUND", field: "name", message: `There is no analyst named ${name}` },
      });
    }
  });

  test("a new login does not have what one of its name had that was dropped by hand", async () => {
    const { name } = await makeFirst();
    await database.query(`drop role ${name}`);
    const { url } = await cliJson<{ url: string }>(
      ["analyst", "create", "--name", name, "--organization", "second"],
      { env },
    );
    expect(await withClient(url, readable)).toEqual(["second"]);
  });

  test("what was granted to a login that is gone can be revoked", async () => {
    const { name } = await makeFirst();
    await database.query(`drop role ${name}`);
    expect(
      await cliJson(["analyst", "revoke", "--name", name, "--organization", "first"], { env }),
    ).toEqual({ name, revoked: ["first"], notGranted: [] });
  });
});

describe("an analyst's connection", () => {
  let name: string;
  let url: string;
  beforeAll(async () => {
    ({ name, url } = await makeFirst());
  });

  test("starts read-only, with time-outs", async () => {
    expect(
      await query(
        url,
        `select current_setting('default_transaction_read_only') as read_only,
                current_setting('statement_timeout') as statement,
                current_setting('idle_in_transaction_session_timeout') as idle`,
      ),
    ).toEqual([{ read_only: "on", statement: "1min", idle: "10min" }]);
  });

  test("is one of eight at most", async () => {
    const opened: Client[] = [];
    try {
      for (let number = 1; number <= 8; number++) opened.push(await openClient(url));
      await expect(openClient(url, { retryForMs: 0 })).rejects.toThrow("too many connections");
    } finally {
      for (const client of opened) await client.end();
    }
    // Others are counted only once the server has noticed
    await withClient(url, (client) => client.query("select"));
  });

  const refused = [
    "create temporary table t (i integer)",
    "create temporary view v as select 1",
    "create temporary sequence s",
    "select 1 as i into temporary t",
    "select lo_create(0)",
    "select lo_creat(-1)",
    "select lo_from_bytea(0, 'x')",
    "select lo_import('/etc/hostname')",
    "select pg_read_file('/etc/hostname')",
    "select pg_ls_dir('.')",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/curestry_analyst'",
    "create schema s",
    "create table public.t (i integer)",
    "create function public.f() returns integer language sql as 'select 1'",
    "create extension hstore",
    "create role r",
    "alter table core.prompts disable row level security",
    "lock table core.prompts in share mode", // 25P01 without a transaction
    "set role curestry_owner",
    "set role curestry_member",
    "set session authorization curestry_owner",
    "set session_replication_role = replica",
    "grant curestry_owner to current_user",
    "insert into ops.analyst_grant (organization_id, role_name) select organization_id, session_user from ops.analyst_grant",
    "select app.analyst_grant(session_user, null)",
    "select app.api_key_create(null, null, 'x', '{}', null)",
    "select app.begin_request(null, null, null, null)",
    "select * from graphile_worker.jobs",
    "select passwd from pg_shadow",
  ];

  test.each(refused)("is refused, also after `transaction_read_only = off`: %s", async (sql) => {
    await expect(query(url, sql)).rejects.toMatchObject({
      code: expect.stringMatching(/^(42501|25006|25P01)$/),
    });
    await withClient(url, async (client) => {
      await client.query("set default_transaction_read_only = off");
      await client.query("begin read write");
      await client.query("set transaction_read_only = off");
      await expect(client.query(sql)).rejects.toMatchObject({ code: "42501" });
    });
  });

  test("cannot write to any table or sequence, also after `transaction_read_only = off`", async () => {
    const rows = await query<{ name: string; kind: string; column: string }>(
      url,
      `select c.oid::regclass::text as name, c.relkind as kind, quote_ident(a.attname) as column
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attnum = 1
        where n.nspname in ('core', 'ops', 'mart', 'report', 'public') and c.relkind in ('r', 'p', 'v', 'S')`,
    );
    expect(rows.length).toBeGreaterThan(30);
    await withClient(url, async (client) => {
      await client.query("set default_transaction_read_only = off");
      for (const { name, kind, column } of rows) {
        const writes = kind === "S" ? [`select nextval('${name}')`] : [
          `insert into ${name} default values`,
          `update ${name} set ${column} = ${column}`,
          `delete from ${name}`,
          ...(kind === "v" ? [] : [`truncate ${name} cascade`]),
        ];
        for (const sql of writes) {
          // 55000: a view that cannot be written to, whoever tries
          await expect(client.query(sql), sql).rejects.toMatchObject({
            code: expect.stringMatching(kind === "v" ? /^(42501|55000)$/ : /^42501$/),
          });
        }
      }
    });
  });

  test("may execute nothing of ours but what its policies need, and what reads with its own rights", async () => {
    const rows = await database.query<{ name: string; is_definer: boolean; is_volatile: boolean }>(
      `select p.oid::regprocedure::text as name, p.prosecdef as is_definer, p.provolatile = 'v' as is_volatile
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname not in ('pg_catalog', 'information_schema')
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
          and has_schema_privilege($1, n.oid, 'usage') and has_function_privilege($1, p.oid, 'execute')
        order by 1`,
      [name],
    );
    expect(rows.filter((row) => row.is_definer).map(({ name }) => name)).toEqual([
      "app.analyst_organizations()",
      "app.analyst_user_ids()",
    ]);
    expect(rows.filter((row) => row.is_volatile)).toEqual([]);
  });
});
