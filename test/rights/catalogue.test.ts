import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QueryResultRow } from "pg";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { query } from "../helpers/database.ts";
import { startTestCluster, type TestCluster } from "../helpers/start_test_cluster.ts";
import { readRights, type Rights, type TableRole, VERBS, words } from "./rights.ts";

/**
 * The database holds the grants and policies of `test/rights.json`, and no others: a new table,
 * column, function or grant that is not in the file fails here.
 */

// A server of its own: roles belong to the whole server, and other tests make analysts
let cluster: TestCluster;
let url: string;
const database = {
  query: <R extends QueryResultRow>(sql: string, values?: unknown[]) => query<R>(url, sql, values),
};
const SCHEMAS = "array['app', 'core', 'ops', 'mart', 'report']";
const ROLES: TableRole[] = ["anonymous", "member", "analyst", "gateway", "worker", "definer"];
const GRANTEES = `array['public', ${ROLES.map((role) => `'curestry_${role}'`).join(", ")}]`;

let rights: Rights;

beforeAll(async () => {
  rights = await readRights();
  cluster = await startTestCluster();
  url = databaseUrl(cluster.url, "curestry");
  await migrateDatabase(url, { passwords: { curestry_gateway: null, curestry_worker: null } });
});
afterAll(() => cluster?.stop());

test("every table and view is in the file", async () => {
  const rows = await database.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any (${SCHEMAS}) and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition`,
  );
  expect(rows.map(({ name }) => name).toSorted()).toEqual(Object.keys(rights.tables).toSorted());
});

test("every right to a table and its columns is in the file", async () => {
  const rows = await database.query<{ right: string }>(
    `select c.oid::regclass || ' ' || replace(g.name, 'curestry_', '') || ' ' || v.verb ||
            case when not has_table_privilege(g.name, c.oid, v.verb) then ' (' || (
              select string_agg(a.attname, ' ' order by a.attname) from pg_attribute a
               where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and has_column_privilege(g.name, a.attrelid, a.attnum, v.verb)) || ')'
            else '' end as right
       from pg_class c join pg_namespace n on n.oid = c.relnamespace,
            unnest(${GRANTEES}) as g (name),
            unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as v (verb)
      where n.nspname = any (${SCHEMAS}) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and (has_table_privilege(g.name, c.oid, v.verb)
             or v.verb not in ('delete', 'truncate', 'trigger') and has_any_column_privilege(g.name, c.oid, v.verb))`,
  );
  const expected = Object.entries(rights.tables).flatMap(([table, entry]) =>
    ROLES.flatMap((role) =>
      VERBS.filter((verb) => entry[role]?.[verb] !== undefined).map((verb) => {
        const columns = words(entry[role]?.[verb]?.columns).toSorted();
        return `${table} ${role} ${verb}${columns.length > 0 ? ` (${columns.join(" ")})` : ""}`;
      })
    )
  );
  expect(rows.map(({ right }) => right).toSorted()).toEqual(expected.toSorted());
});

test("every policy of members and analysts is the one that the file means", async () => {
  const rows = await database.query<{ policy: string }>(
    `select p.schemaname || '.' || p.tablename || ' ' || array_to_string(p.roles, ' ') || ' ' || lower(p.cmd) || ' ' || coalesce(p.qual, '-') || coalesce(' check ' || p.with_check, '') as policy
       from pg_policies p where p.schemaname = any (${SCHEMAS}) and p.permissive = 'PERMISSIVE'
        and p.roles && array['public', 'curestry_member', 'curestry_anonymous', 'curestry_analyst', 'curestry_gateway', 'curestry_worker']::name[]`,
  );
  const expected = Object.entries(rights.tables).filter(([table]) => !table.startsWith("report."))
    .flatMap(([table, { rows, member, analyst }]) => {
      const owner = rows?.organization ?? rows?.person ?? "organization_id";
      const isPerson = rows?.person !== undefined;
      const policies = VERBS.filter((verb) => member?.[verb] !== undefined).map((verb) => {
        const permission = member?.[verb]?.permission ?? "";
        const condition = expressions[permission]?.(owner) ??
          `(${owner} = app.organization_if('${permission}'::text))`;
        const whole = table === "ops.organization" && verb === "delete"
          ? `(${condition} AND (personal_user_id IS NULL))`
          : condition;
        return `${table} curestry_member ${verb} ${verb === "insert" ? `- check ${whole}` : whole}`;
      });
      if (analyst?.select !== undefined) {
        const condition = table === "ops.analyst_grant"
          ? "(role_name = SESSION_USER)"
          : `(${owner} = ANY (app.analyst_${isPerson ? "user_ids" : "organizations"}()))`;
        policies.push(`${table} curestry_analyst select ${condition}`);
      }
      return policies;
    });
  expect(rows.map(({ policy }) => policy).toSorted()).toEqual(expected.toSorted());
});

const expressions: Record<string, (owner: string) => string> = {
  any: (owner) => `(${owner} = app.organization_id())`,
  self: (owner) => `(${owner} = app.session_user_id())`,
  "members:read or self": (owner) => `(${owner} = ANY (app.member_visible_user_ids()))`,
};

test("row level security is on and forced on every table, and views obey it", async () => {
  const rows = await database.query(
    `select c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any (${SCHEMAS}) and
            (c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
             or c.relkind = 'v' and not coalesce(c.reloptions @> array['security_invoker=true'], false)
             or c.relkind in ('m', 'f'))`,
  );
  expect(rows).toEqual([]);
});

test("every function is in the file, with who may call it", async () => {
  const rows = await database.query<{ name: string; grantees: string }>(
    `select p.oid::regprocedure::text as name,
            coalesce((select string_agg(replace(g, 'curestry_', ''), ' ' order by g) from unnest(${GRANTEES}) as g
                       where has_function_privilege(g, p.oid, 'execute') and (g <> 'curestry_definer' or p.proowner <> 'curestry_definer'::regrole)), '') as grantees
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = any (${SCHEMAS})`,
  );
  const internal = (grantees: string) => grantees === "" || grantees === "definer";
  expect(
    Object.fromEntries(
      rows.filter(({ grantees }) => !internal(grantees)).map((row) => [row.name, row.grantees]),
    ),
  ).toEqual(
    Object.fromEntries(
      Object.entries(rights.functions).map((
        [name, { execute }],
      ) => [name, words(execute).toSorted().join(" ")]),
    ),
  );
  const patterns = rights.internal.map((name) =>
    new RegExp(`^${name.replaceAll(".", "\\.").replaceAll("*", "[a-z_]+")}$`)
  );
  const names = rows.filter(({ grantees }) => internal(grantees)).map(({ name }) =>
    name.replace(/\(.*/, "")
  );
  expect(names.filter((name) => !patterns.some((pattern) => pattern.test(name)))).toEqual([]);
  expect(
    rights.internal.filter((_, index) => !names.some((name) => patterns[index]?.test(name))),
  ).toEqual([]);
});

test("definer functions belong to curestry_definer, or to the owner for partitions, and have an empty search path", async () => {
  const rows = await database.query(
    `select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = any (${SCHEMAS}) and p.prosecdef
        and (p.proowner <> 'curestry_definer'::regrole
               and p.oid::regprocedure::text not in ('app.partition_make_all()', 'app.retention_apply_audit(boolean)', 'app.retention_drop_detached(interval)', 'app.retention_apply_facts(boolean,integer)')
             or not coalesce(p.proconfig @> array['search_path=""'], false))`,
  );
  expect(rows).toEqual([]);
});

test("every right to a schema, a sequence and the database is in the file", async () => {
  const schemas = await database.query<{ name: string; grantees: string; makers: string }>(
    `select n.nspname as name,
            (select string_agg(replace(g, 'curestry_', ''), ' ' order by g) from unnest(${GRANTEES}) as g where has_schema_privilege(g, n.oid, 'usage')) as grantees,
            (select string_agg(g, ' ' order by g) from unnest(${GRANTEES}) as g where g <> 'curestry_definer' and has_schema_privilege(g, n.oid, 'create')) as makers
       from pg_namespace n where n.nspname = any (${SCHEMAS})`,
  );
  const sorted = (lists: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(lists).map(([name, list]) => [name, words(list).toSorted().join(" ")]),
    );
  expect(Object.fromEntries(schemas.map(({ name, grantees }) => [name, grantees]))).toEqual(
    sorted(rights.schemas),
  );
  expect(schemas.filter(({ makers }) => makers !== null)).toEqual([]);

  const sequences = await database.query<{ name: string; grantees: string }>(
    `select c.oid::regclass::text as name,
            coalesce((select string_agg(replace(g, 'curestry_', ''), ' ' order by g) from unnest(${GRANTEES}) as g where has_sequence_privilege(g, c.oid, 'usage')), '') as grantees
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = any (${SCHEMAS}) and c.relkind = 'S'`,
  );
  expect(Object.fromEntries(sequences.map(({ name, grantees }) => [name, grantees]))).toEqual(
    sorted(rights.sequences),
  );
  expect(
    await database.query(
      `select c.oid::regclass, g from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(${GRANTEES}) as g
        where n.nspname = any (${SCHEMAS}) and c.relkind = 'S' and has_sequence_privilege(g, c.oid, 'select, update')`,
    ),
  ).toEqual([]);

  const [rightsToDatabase] = await database.query(
    `select coalesce(array_agg(g || ' ' || p order by g, p), '{}') as rights
       from unnest(${GRANTEES}) as g, unnest(array['connect', 'create', 'temporary']) as p where has_database_privilege(g, current_database(), p)`,
  );
  expect(rightsToDatabase).toEqual({
    rights: ["curestry_analyst connect", "curestry_gateway connect", "curestry_worker connect"],
  });
});

describe("roles", () => {
  test("are what the architecture says", async () => {
    expect(
      await database.query(
        `select replace(rolname, 'curestry_', '') as role, rolcanlogin as login, rolinherit as inherit,
                (rolsuper or rolcreatedb or rolcreaterole or rolreplication) as powerful, rolbypassrls as "pastRls"
           from pg_roles where rolname like 'curestry\\_%' order by 1`,
      ),
    ).toEqual(
      ["analyst", "anonymous", "backup", "definer", "gateway", "member", "owner", "worker"].map(
        (role) => ({
          role,
          login: ["gateway", "worker"].includes(role),
          inherit: role !== "gateway",
          powerful: false,
          pastRls: role === "backup",
        }),
      ),
    );
  });

  test("are members of no others but the gateway of the two of a request", async () => {
    expect(
      await database.query(
        `select replace(m.member::regrole::text, 'curestry_', '') || ' → ' || replace(m.roleid::regrole::text, 'curestry_', '') as may
           from pg_auth_members m where m.member::regrole::text like 'curestry\\_%' order by 1`,
      ),
    ).toEqual(
      ["backup → pg_read_all_data", "gateway → anonymous", "gateway → member", "owner → definer"]
        .map((may) => ({ may })),
    );
  });

  test("and permissions: member roles are named sets of the words that scopes are", async () => {
    const rows = await database.query<{ role: string; permissions: string[] }>(
      "select r as role, app.role_permissions(r) as permissions from unnest(array['viewer', 'member', 'admin', 'owner']) as r",
    );
    expect(Object.fromEntries(rows.map(({ role, permissions }) => [role, permissions.toSorted()])))
      .toEqual(
        Object.fromEntries(
          Object.entries(rights.roles).map(([role, list]) => [role, words(list).toSorted()]),
        ),
      );
    await expect(
      database.query(
        "select app.api_key_create(null, null, 'x', array['prompts:read', 'everything:write'], null)",
      ),
    ).rejects.toMatchObject({ code: "CU004" });
  });
});
