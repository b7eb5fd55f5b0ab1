import type { CommandContext } from "../shared/command.ts";

/** A setting of the server, in the base unit of its kind: bytes, milliseconds. */
interface ServerSetting {
  name: string;
  /** As `show` prints it. */
  shown: string;
  /** Null for words. */
  amount: number | null;
  /** `default`: nobody has set it. */
  source: string;
  /** What has to happen for a change to count: `postmaster` is a restart. */
  context: string;
}

/** A setting that should be changed. */
export interface SettingAdvice {
  message: string;
  cure: string;
}

interface Rule {
  /** Whether the value is good. */
  isGood(setting: ServerSetting): boolean;
  /** The value, or how to find it. */
  advice: string;
  /** Why, after a colon. */
  reason: string;
}

const megabyte = 1024 * 1024;
const minute = 60_000;

const atLeast = (least: number) => ({ amount }: ServerSetting) => (amount ?? 0) >= least;
const atMost = (most: number) => ({ amount }: ServerSetting) => (amount ?? 0) <= most;
const is = (value: string) => ({ shown }: ServerSetting) => shown === value;
const isNot = (value: string) => ({ shown }: ServerSetting) => shown !== value;

/** The server's memory cannot be asked for: sizes are advised where they are PostgreSQL's defaults. */
const rules: Readonly<Record<string, Rule>> = {
  fsync: {
    isGood: is("on"),
    advice: "on",
    reason: "a crash of the machine may lose the whole database",
  },
  full_page_writes: {
    isGood: is("on"),
    advice: "on",
    reason: "a crash of the machine may damage pages that were being written",
  },
  synchronous_commit: {
    isGood: isNot("off"),
    advice: "on",
    reason: "a crash of the machine loses what was acknowledged last",
  },
  autovacuum: {
    isGood: is("on"),
    advice: "on",
    reason: "nothing removes dead rows or renews statistics, and tables grow without end",
  },
  track_counts: {
    isGood: is("on"),
    advice: "on",
    reason: "autovacuum does not work without it",
  },
  shared_buffers: {
    isGood: ({ amount }) => (amount ?? 0) > 128 * megabyte,
    advice: "a quarter of the server's memory",
    reason: "with PostgreSQL's default, what is read again and again is not kept",
  },
  effective_cache_size: {
    isGood: ({ source }) => source !== "default",
    advice: "three quarters of the server's memory",
    reason:
      "the planner takes this for the size of all caches, and avoids indexes if it is too small",
  },
  work_mem: {
    isGood: ({ amount }) => (amount ?? 0) > 4 * megabyte,
    advice: "16MB",
    reason: "larger sorts, and merges of marts, go to disk",
  },
  max_wal_size: {
    isGood: ({ amount }) => (amount ?? 0) > 1024 * megabyte,
    advice: "2GB or more, as the disk allows",
    reason: "imports force a checkpoint each time that this much was logged",
  },
  checkpoint_timeout: {
    isGood: atLeast(15 * minute),
    advice: "15min",
    reason: "after each checkpoint the first change of a page logs all of it",
  },
  checkpoint_completion_target: {
    isGood: atLeast(0.9),
    advice: "0.9",
    reason: "checkpoints write in bursts, which others wait for",
  },
  random_page_cost: {
    isGood: atMost(2),
    advice: "1.1, unless the disk is one that spins",
    reason: "the planner reads whole tables where an index is faster",
  },
  jit: {
    isGood: is("off"),
    advice: "off",
    reason: "compiling a query takes longer than most of ours run",
  },
};

/** What to change in the settings of the server, as the administrator's sessions have them. */
export async function readSettingAdvice(
  { connect }: Pick<CommandContext, "connect">,
): Promise<SettingAdvice[]> {
  const { rows } = await connect(
    "administrator",
    (client) =>
      client.query<ServerSetting>(
        `select name, pg_catalog.current_setting(name) as shown, source, context,
           case when vartype in ('integer', 'real') then setting::float8 * case unit
             when 'kB' then 1024 when '8kB' then 8192 when 'MB' then 1048576 when 's' then 1000
             when 'min' then 60000 else 1 end end as amount
         from pg_catalog.pg_settings where name = any ($1)`,
        [Object.keys(rules)],
      ),
  );
  // In the order of importance: what loses data first
  return Object.entries(rules).flatMap(([name, { isGood, advice, reason }]) => {
    const setting = rows.find((setting) => setting.name === name);
    if (setting === undefined || isGood(setting)) return [];
    const restart = setting.context === "postmaster" ? "; it counts after a restart" : "";
    return [{
      message: `${name} is ${setting.shown}: ${reason}`,
      cure: `set ${name} to ${advice}${restart}`,
    }];
  });
}
