import { checkServer } from "../../database/check_server.ts";
import { pendingMigrations } from "../../database/committed_migrations.ts";
import type { CommandContext } from "../shared/command.ts";
import { toFailure } from "../shared/failure.ts";
import { readOpenDatabases } from "./open_databases.ts";
import { readSecurityFindings } from "./security.ts";
import { readSettingAdvice } from "./server_settings.ts";

/** What became of one check. */
export interface Check {
  name: string;
  status: "ok" | "warn" | "fail";
  message: string;
  /** What to do; null if there is nothing to do, or the message says it. */
  cure: string | null;
}

type Finding = Omit<Check, "name">;

const allChecks: [
  name: string,
  check: (context: CommandContext) => Promise<Finding | Finding[]>,
][] = [
  ["server", checkVersion],
  ["settings", checkSettings],
  ["migrations", checkMigrations],
  ["security", checkSecurity],
  ["databases", checkDatabases],
  ["marts", checkMarts],
  ["tasks", checkTasks],
  ["jobs", checkJobs],
];

/**
 * Makes every check, also after one has failed.
 *
 * @throws {Error} if there is no connection
 */
export async function diagnose(context: CommandContext): Promise<Check[]> {
  // One that fails would fail in each check
  await context.connect("administrator", (client) => client.query("select"));
  const checks: Check[] = [];
  for (const [name, check] of allChecks) {
    const found = await check(context).catch((error): Finding => ({
      status: "fail",
      message: toFailure(error).message,
      cure: null,
    }));
    for (const finding of [found].flat()) checks.push({ name, ...finding });
  }
  return checks;
}

async function checkVersion({ connect }: CommandContext): Promise<Finding> {
  const { text, warning } = await connect("administrator", checkServer);
  if (warning !== null) return { status: "warn", message: warning, cure: null };
  return { status: "ok", message: `PostgreSQL ${text}`, cure: null };
}

/** Warnings alone: the machine's memory and disks are the operator's to judge. */
async function checkSettings(context: CommandContext): Promise<Finding | Finding[]> {
  const advice = await readSettingAdvice(context);
  if (advice.length === 0) {
    return { status: "ok", message: "the server's suit Curestry", cure: null };
  }
  return advice.map((advice) => ({ status: "warn", ...advice }));
}

async function checkMigrations({ connect }: CommandContext): Promise<Finding> {
  const pending = await connect("administrator", pendingMigrations);
  if (pending.length === 0) return { status: "ok", message: "all are here", cure: null };
  return {
    status: "fail",
    message: `not here yet: ${pending.join(", ")}`,
    cure: "run `deno task migrate`",
  };
}

async function checkSecurity(context: CommandContext): Promise<Finding> {
  const { length } = await readSecurityFindings(context);
  if (length === 0) return { status: "ok", message: "all rules are kept", cure: null };
  return {
    status: "fail",
    message: `${length} ${length === 1 ? "breach" : "breaches"} of the rules`,
    cure: "run `deno task curestry doctor --security`, which names each with its cure",
  };
}

/** A warning for each: whether others need to get into these databases, we cannot know. */
async function checkDatabases({ connect }: CommandContext): Promise<Finding | Finding[]> {
  const open = await connect("administrator", readOpenDatabases);
  if (open.length === 0) {
    return { status: "ok", message: "analysts get into none of the server's others", cure: null };
  }
  return open.map(({ name, cure }) => ({
    status: "warn",
    message: `analysts may connect to the database ${name} of this server, which is none of ours`,
    cure: `run \`${cure}\`, and grant connect to the logins that need it`,
  }));
}

async function checkMarts({ connect }: CommandContext): Promise<Finding> {
  const { rows } = await connect(
    "owner",
    (client) =>
      client.query<{ age: number | null; late: boolean }>(
        `select (h.marts ->> 'oldest_change_seconds')::float8 as age, (h.marts ->> 'late')::boolean as late
         from (select app.health() -> 'marts' as marts) h`,
      ),
  );
  const { age = null, late } = rows[0] ?? {};
  if (age === null) return { status: "ok", message: "up to date", cure: null };
  if (!late) {
    return { status: "ok", message: `${Math.round(age)} s behind`, cure: null };
  }
  return {
    status: "warn",
    message: `${Math.round(age)} s behind what was recorded`,
    cure: "see that a worker runs (`deno task start` or `deno task worker`) and what it logs; " +
      "`deno task curestry rollup` brings them up to date now",
  };
}

async function checkTasks({ connect }: CommandContext): Promise<Finding> {
  const { rows } = await connect(
    "owner",
    (client) =>
      client.query<{ task: string; kind: string; error: string | null }>(
        "select task, kind, error from app.task_list() where is_late",
      ),
  );
  if (rows.length === 0) return { status: "ok", message: "none is late", cure: null };
  return {
    status: "warn",
    message: `late: ${
      rows.map(({ task, kind, error }) =>
        `${task} (${kind}${error === null ? "" : `; its last error: ${error}`})`
      ).join(", ")
    }`,
    cure: "see that a worker runs (`deno task start` or `deno task worker`) and what it logs",
  };
}

async function checkJobs({ connect }: CommandContext): Promise<Finding> {
  const { rows: { length } } = await connect(
    "owner",
    (client) => client.query("select from app.job_list(true)"),
  );
  if (length === 0) return { status: "ok", message: "none has failed for good", cure: null };
  return {
    status: "warn",
    message: `${length} ${length === 1 ? "has" : "have"} failed for good`,
    cure: "run `deno task curestry jobs --failed`, then `jobs retry` or `jobs cancel`",
  };
}
