import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../src/database/embedded/start_cluster.ts";
import { startTemporaryCluster } from "../../src/database/embedded/start_temporary_cluster.ts";
import { migrateDatabase } from "../../src/database/migrate_database.ts";
import { databaseUrl } from "../../src/database/urls.ts";
import { query } from "../helpers/database.ts";
import { isLinting, LINTER_TIMEOUT, LINTERS_FOLDER, runLinter, WHEN } from "./linter.ts";

/** Supabase's splinter, as @postgrestools/postgrestools has it. */

const CONFIGURATION = "postgres-language-server.jsonc";

interface Diagnostic {
  severity: string;
  message: string;
  category: string;
}

/**
 * Most of its rules look at what Supabase's roles may do, and are skipped where these are absent: they
 * become ours. Roles belong to the whole server, hence a server of its own.
 */
const STUB_ROLES = `
  create role anon nologin;
  create role authenticated nologin;
  create role service_role nologin;
  grant curestry_anonymous to anon;
  grant curestry_member, curestry_analyst to authenticated;`;

async function lint(url: string): Promise<{ code: number | null; found: string[] }> {
  const name = new URL(url).pathname.slice(1);
  await query(
    url,
    `alter database ${name} set pgrst.db_schemas = 'public,app,core,ops,mart,report'`,
  );
  const folder = await mkdtemp(join(tmpdir(), "curestry-dblint-"));
  await writeFile(join(folder, CONFIGURATION), await makeConfiguration(url));
  const { code, stdout, stderr } = await runLinter(
    "dblint",
    ["dblint", "--reporter=json", "--max-diagnostics=none", "--error-on-warnings"],
    { databaseUrl: url, cwd: folder },
  );
  await rm(folder, { recursive: true });
  const start = stdout.indexOf("{");
  if (start === -1) throw new Error(`dblint said nothing:\n${stdout}${stderr}`);
  const { diagnostics }: { diagnostics: Diagnostic[] } = JSON.parse(stdout.slice(start));
  return {
    code,
    found: diagnostics.map(({ category, message }) =>
      `${category.replace("splinter/", "")}: ${message.replaceAll("\\`", "`")}`
    ),
  };
}

/** The configuration, with the functions that need no search path. */
async function makeConfiguration(url: string): Promise<string> {
  const rows = await query<{ name: string }>(
    url,
    `select n.nspname || '.' || p.proname as name
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('app', 'core', 'ops', 'mart', 'report') and p.prosqlbody is not null and not p.prosecdef`,
  );
  const text = await readFile(join(LINTERS_FOLDER, CONFIGURATION), "utf8");
  const configuration = JSON.parse(text.replace(/^\s*\/\/.*$/gm, ""));
  const { functionSearchPathMutable } = configuration.splinter.rules.security;
  functionSearchPathMutable.options.ignore = rows.map(({ name }) => name);
  return JSON.stringify(configuration);
}

describe.skipIf(!isLinting)(`dblint (${WHEN})`, { timeout: LINTER_TIMEOUT }, () => {
  let cluster: Cluster;
  let ours: string;

  beforeAll(async () => {
    cluster = await startTemporaryCluster();
    ours = databaseUrl(cluster.url, "curestry");
    await migrateDatabase(ours, { passwords: { curestry_gateway: null, curestry_worker: null } });
    await query(cluster.url, STUB_ROLES);
  });
  afterAll(() => cluster?.stop());

  test("finds what is wrong with a bad schema", async () => {
    const bad = databaseUrl(cluster.url, "bad");
    await query(cluster.url, "create database bad");
    await query(bad, await readFile(join(LINTERS_FOLDER, "bad_schema.sql"), "utf8"));
    const { code, found } = await lint(bad);
    expect(code).toBe(1);
    expect([...new Set(found.map((line) => line.split(":")[0]))].toSorted()).toEqual([
      "performance/duplicateIndex",
      "performance/multiplePermissivePolicies",
      "performance/noPrimaryKey",
      "performance/unindexedForeignKeys",
      "security/functionSearchPathMutable",
      "security/materializedViewInApi",
      "security/policyExistsRlsDisabled",
      "security/rlsDisabledInPublic",
      "security/rlsEnabledNoPolicy",
      "security/rlsPolicyAlwaysTrue",
      "security/securityDefinerView",
    ]);
  });

  test("finds nothing in ours", async () => {
    expect(await lint(ours)).toEqual({ code: 0, found: [] });
  });

  test("finds what our own roles could reach: theirs are mapped to them", async () => {
    const broken = databaseUrl(cluster.url, "broken");
    await query(cluster.url, "create database broken template curestry");
    await query(
      broken,
      `create table core.bare (id integer primary key);
       grant select on core.bare to curestry_member;
       alter view report.prompts reset (security_invoker);`,
    );
    expect((await lint(broken)).found.toSorted()).toEqual([
      expect.stringMatching(/^security\/rlsDisabledInPublic: .*`core\.bare`/),
      expect.stringMatching(/^security\/securityDefinerView: .*`report\.prompts`/),
    ]);
  });
});
