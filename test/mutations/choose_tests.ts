import { globSync, readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import type pg from "pg";
import { repositoryRoot } from "../../src/shared/settings.ts";
import type { Mutant } from "./mutant.ts";
import { readTokens } from "./tokens.ts";

/** Chooses test files for a mutant, those that are most likely to notice it first. */
export type ChooseTests = (mutant: Mutant) => string[];

/**
 * Test files that compare text, try tools, or never see the broken template: what they notice is no
 * behaviour.
 */
const NO_BEHAVIOUR = [
  /^test\/[^/]+$/,
  /^test\/(database|helpers|linters|mutations|start)\//,
  /^test\/schema\/(?!isolation|updated_at|values)/,
  /^test\/rights\/(catalogue|document)/,
  /^test\/report\/changelog/,
  /^test\/cli\/(doctor|usage)/,
  /^test\/gateway\/(schema_names|sockets|start_and_stop|bad_database|metrics)/,
  /^test\/worker\/(lost_connections|crashes_lose_nothing)/,
];

/** How long the files of a folder take, beside one that only sends SQL and GraphQL. */
const COST: Record<string, number> = {
  attacks: 1.3,
  cli: 3,
  gateway: 1.3,
  rights: 3,
  walkthrough: 6,
  worker: 4,
};

/** Of a word, beside an object that a test names. Of 232 killers, 8 files have 81 %; with 0 it is 78, with 0.5 77. */
const WORD_WEIGHT = 0.1;

/** Which roles see and do what: every table and function of the API is in it. The fastest is first. */
const RIGHTS = ["test/schema/isolation.test.ts", "test/rights/sql.test.ts"].concat(
  ["test/rights/graphql_write.test.ts", "test/rights/graphql_read.test.ts"],
);

/** The test files that show behaviour. */
export function listBehaviourTests(): string[] {
  return globSync("test/**/*.test.ts", { cwd: repositoryRoot })
    .map((file) => file.replaceAll("\\", "/"))
    .filter((file) => !NO_BEHAVIOUR.some((pattern) => pattern.test(file)))
    .toSorted();
}

/** Reads what uses what: functions, views, policies and triggers, commands, and tests. */
export async function readTestChoice(client: pg.Client): Promise<ChooseTests> {
  const users = await readUsers(client);
  const commands = readCommands();
  const tests = listBehaviourTests().map((file) => ({ file, text: readWithHelpers(file) }));
  const rarity = makeRarity(tests.map(({ text }) => text));
  return ({ object, kind, name, broken = "", before = "", after = "" }) => {
    const words = new Set([
      ...readTables(before),
      ...readTables(broken),
      ...readWords(broken),
      ...readTexts(broken),
      ...readTexts(after),
    ]);
    // A test that names it is about it
    const part = kind === "constraint" || kind === "trigger" ? name.split(" ")[1] ?? "" : "";
    const scores = tests.map(({ file, text }) => {
      const rank = RIGHTS.indexOf(file);
      if (kind === "policy" && rank >= 0) return { file, score: 200 - rank };
      let score = rank >= 0 ? 0.1 : 0;
      if (part !== "" && text.includes(part)) score += 100;
      for (const [user, distance] of reach(users, object)) {
        const matches = [...text.matchAll(mentions(user, commands))].length;
        score += Math.min(matches, 5) / 3 ** distance;
      }
      for (const word of words) if (text.includes(word)) score += rarity(word);
      return { file, score: score / (COST[file.split("/")[1] ?? ""] ?? 1) };
    });
    return scores.filter(({ score }) => score > 0).toSorted((a, b) => b.score - a.score)
      .map(({ file }) => file);
  };
}

/** Tables, types and functions, with their schema. */
function readTables(sql: string): string[] {
  return [...sql.matchAll(/\b(app|core|ops|mart)\.\w+/g)].map(([name]) => name);
}

/** Names of columns and variables in a condition, as SQL or GraphQL has them. */
function readWords(sql: string): string[] {
  return readTokens(sql).flatMap(({ kind, text }) => {
    const name = text.replace(/^v_/, "");
    return kind === "word" && name.length > 4 ? [name, camelCase(name)] : [];
  });
}

/** What SQL says to users, without what `format` puts into it. */
function readTexts(sql: string): string[] {
  return readTokens(sql).filter(({ kind }) => kind === "text")
    .flatMap(({ text }) => text.split(/'|%\w*/)).filter((part) => part.length > 5);
}

/** How much it tells that a text has a word: nothing if all have it. */
function makeRarity(texts: string[]): (word: string) => number {
  const known = new Map<string, number>();
  return (word) => {
    const count = known.get(word) ?? texts.filter((text) => text.includes(word)).length;
    known.set(word, count);
    return count === 0 ? 0 : Math.log(texts.length / count) * WORD_WEIGHT;
  };
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function readText(file: string): string {
  return readFileSync(join(repositoryRoot, file), "utf8");
}

/** A test file, and what it shares with others of its folder. */
function readWithHelpers(file: string): string {
  const text = readText(file);
  const helpers = [...text.matchAll(/from "\.\/([^"]+)"/g)]
    .map(([, name = ""]) => readText(posix.join(posix.dirname(file), name)));
  return [text, ...helpers].join("\n");
}

/** Everything that comes to an object, and over how many others. */
function reach(users: Map<string, Set<string>>, object: string): Map<string, number> {
  const distances = new Map([[object, 0]]);
  for (const [one, distance] of distances) {
    if (distance === 3) break;
    for (const user of users.get(one) ?? []) {
      if (!distances.has(user)) distances.set(user, distance + 1);
    }
  }
  return distances;
}

/** How a test may name an object: in SQL, in GraphQL, or by a command that calls it. */
function mentions(object: string, commands: Map<string, string[]>): RegExp {
  const [schema = "", name = ""] = object.split(".");
  const ways = [`\\b${schema}\\.${name}\\b`, ...commands.get(object) ?? []];
  if (schema !== "app") {
    const camel = camelCase(name);
    const type = camel.replace(/s$/, "").replace(/^./, (letter) => letter.toUpperCase());
    ways.push(`\\b${camel}s?\\b`, `\\b(create|update|delete)${type}\\b`);
  }
  return new RegExp(ways.join("|"), "g");
}

/** The arguments of commands, as tests write them, by the functions that they call. */
function readCommands(): Map<string, string[]> {
  const commands = new Map<string, string[]>();
  for (
    const file of globSync("{src/cli,src/maintenance,worker/tasks}/**/*.ts", {
      cwd: repositoryRoot,
    })
  ) {
    const [, noun, verb] = /^src[\\/]cli[\\/](\w+)[\\/](\w+)\.ts$/.exec(file) ?? [];
    const way = noun === undefined || verb === undefined
      ? `\\b${basename(file, ".ts")}\\b`
      : `"${noun.replaceAll("_", "-")}",\\s*"${verb.replaceAll("_", "-")}"`;
    for (const [name] of readText(file).matchAll(/\b(app|core|ops|mart)\.\w+\b/g)) {
      commands.set(name, [...commands.get(name) ?? [], way]);
    }
  }
  return commands;
}

async function readUsers(client: pg.Client): Promise<Map<string, Set<string>>> {
  const { rows } = await client.query<{ object: string; text: string }>(
    `select pronamespace::regnamespace || '.' || proname as object,
            coalesce(pg_get_function_sqlbody(oid), prosrc) as text
       from pg_proc where pronamespace = any (array['app', 'core', 'ops', 'mart']::regnamespace[])
     union all
     select oid::regclass::text, pg_get_viewdef(oid)
       from pg_class where relnamespace = 'report'::regnamespace and relkind = 'v'
     union all
     select polrelid::regclass::text,
            concat(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
       from pg_policy
     union all
     select tgrelid::regclass::text, pg_get_triggerdef(oid)
       from pg_trigger where not tgisinternal and tgparentid = 0`,
  );
  const users = new Map<string, Set<string>>();
  for (const { object, text } of rows) {
    for (const [name] of text.matchAll(/\b(app|core|ops|mart)\.\w+\b/g)) {
      if (name === object) continue;
      const known = users.get(name) ?? new Set();
      users.set(name, known.add(object));
    }
  }
  return users;
}
