import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { checkServer } from "../database/check_server.ts";
import { migrationsFolder } from "../database/committed_migrations.ts";
import { withDatabase } from "../database/connect.ts";
import { migrateWithSettings } from "../database/migrate_with_settings.ts";
import { withClient } from "../database/open_client.ts";
import { actingAs, databaseName, databaseUrl } from "../database/urls.ts";
import { makeLog } from "../shared/log.ts";
import { fail } from "../shared/process.ts";
import { readSettings, repositoryRoot } from "../shared/settings.ts";
import { dumpMajor, dumpSchema } from "./dump_schema.ts";

const usage =
  `Usage: deno task migrate:watch | migrate:commit --message "…" | migrate:uncommit | migrate:reset --erase

Runs graphile-migrate on DATABASE_URL, else on the embedded database. The shadow database stands beside it,
unless SHADOW_DATABASE_URL and ROOT_DATABASE_URL say otherwise. See CONTRIBUTING.md.`;

/** What graphile-migrate may do: all of what we may, but start programs. */
const permissions = [
  "--no-prompt",
  ...["net", "env", "sys", "read", "write"].map((kind) => `--allow-${kind}`),
];

/** The three connection strings of graphile-migrate. */
interface MigrateEnvironment {
  DATABASE_URL: string;
  SHADOW_DATABASE_URL: string;
  ROOT_DATABASE_URL: string;
}

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === undefined || command === "--help") {
    console.log(usage);
    return command === undefined ? 2 : 0;
  }
  const settings = readSettings();
  const log = makeLog(settings.logLevel);
  return await withDatabase(settings, log, async (adminUrl) => {
    // A database that does not fit the committed migrations any more can only be reset
    if (command !== "reset") await migrateWithSettings(settings, adminUrl, log);
    const env = makeEnvironment(adminUrl);
    if (command === "commit") {
      const code = await rehearse(env);
      if (code !== 0) {
        console.error("The migration fails on the shadow database: nothing was committed");
        return code;
      }
    }
    const code = await runCommand([command, ...rest], env);
    if (code === 0 && (command === "commit" || command === "uncommit")) await writeDump(env);
    return code;
  }, { migrate: false });
}

/**
 * The connection strings that graphile-migrate reads. Migrations act as curestry_owner, which may not
 * make databases; graphile-migrate applies `pgSettings` to the root connection as well, so the role
 * is in the two other connection strings instead.
 */
function makeEnvironment(adminUrl: string): MigrateEnvironment {
  const shadow = process.env.SHADOW_DATABASE_URL ??
    databaseUrl(adminUrl, `${databaseName(adminUrl)}_shadow`);
  return {
    DATABASE_URL: actingAs(adminUrl, "curestry_owner"),
    SHADOW_DATABASE_URL: actingAs(shadow, "curestry_owner"),
    ROOT_DATABASE_URL: process.env.ROOT_DATABASE_URL ?? databaseUrl(adminUrl, "postgres"),
  };
}

/**
 * Runs the open migration on a fresh shadow database. graphile-migrate does so too when it commits,
 * but if that fails it writes current.sql anew, with the includes replaced.
 */
async function rehearse(env: MigrateEnvironment): Promise<number> {
  const code = await runCommand(["reset", "--shadow", "--erase"], env);
  return code === 0 ? await runCommand(["current", "--shadow"], env) : code;
}

async function runCommand(args: string[], env: MigrateEnvironment): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  // By its path: `npm:graphile-migrate` runs the version tagged latest, not the one that is pinned
  const cli = join(repositoryRoot, "node_modules/graphile-migrate/dist/cli.js");
  const child = spawn(process.execPath, ["run", ...permissions, cli, ...args], {
    cwd: repositoryRoot,
    env: {
      ...process.env,
      ...env,
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ""}`,
    },
    stdio: "inherit",
  });
  // Ctrl-C ends a watch, which then ends us; the embedded database is stopped first
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  child.on("error", reject);
  child.on("exit", (code) => resolve(code ?? 0));
  return await promise;
}

/** The shadow database now has the committed migrations and nothing else. */
async function writeDump(env: MigrateEnvironment): Promise<void> {
  const file = join(migrationsFolder, "schema.sql");
  const { major } = await withClient(env.SHADOW_DATABASE_URL, checkServer);
  if (major !== dumpMajor) {
    console.warn(`migrations/schema.sql is made with PostgreSQL ${dumpMajor}; left as it is`);
    return;
  }
  await writeFile(file, await dumpSchema(env.SHADOW_DATABASE_URL));
  console.log("Wrote migrations/schema.sql");
}

if (import.meta.main) await main().then((code) => process.exit(code), fail);
