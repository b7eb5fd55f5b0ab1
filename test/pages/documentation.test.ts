import { spawn } from "node:child_process";
import { accessSync, chmodSync, globSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { taskFlags } from "../../src/develop/task_flags.ts";
import { repositoryRoot } from "../../src/shared/settings.ts";
import { subscribe } from "../helpers/live.ts";
import { graphql, graphqlData } from "../helpers/graphql.ts";
import { makeDataDir, removeDataDir } from "../start/data_dir.ts";
import { runProcess, stopProcesses } from "../start/run_process.ts";
import { DATA, HAS_DATA } from "../walkthrough/real_data.ts";

/**
 * Every example of the documentation, in its order, against an installation that was started with the
 * demo: commands in a shell, as they are written. What stands in place of a secret is replaced by one.
 */

/** A code block of a page. */
interface Block {
  page: string;
  language: string;
  text: string;
  /** What follows it: a block that shows what comes out. */
  output: string | null;
}

/** What comes out is shown soon after what is run. */
const mostBetween = 400;

/**
 * The README comes first: its examples make what others use. The page about clients is not among them: test/client and
 * test/clients take its blocks, and run them as the programs that they are of.
 */
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...globSync("docs/*.md", { cwd: repositoryRoot }).filter((page) => page !== "docs/clients.md")
    .sort(),
];
const blocks = pages.flatMap(readBlocks);

/** Blocks that show what comes out. */
function isOutput({ language }: { language: string }): boolean {
  return language === "" || language === "json";
}

function readBlocks(page: string): Block[] {
  const text = readFileSync(join(repositoryRoot, page), "utf8");
  const found = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```\n/gm)].map((match) => {
    const [all, language = "", content = ""] = match;
    return { language, text: content, start: match.index, end: match.index + all.length };
  });
  const shown = new Set<unknown>();
  const read = found.map(({ language, text: content, end }, index): Block => {
    const next = found[index + 1];
    const between = next && text.slice(end, next.start);
    const hasOutput = next && between !== undefined && !isOutput({ language }) && isOutput(next) &&
      between.length < mostBetween && !/^#/m.test(between);
    if (hasOutput) shown.add(next);
    return { page, language, text: content, output: hasOutput ? next.text : null };
  });
  return read.filter(({ language }, index) => language !== "mermaid" && !shown.has(found[index]));
}

function nameOf({ page, text }: Block): string {
  return `${page}: ${text.trimEnd().split("\n")[0]}`;
}

/** What is not run, and why. */
const notRun: Readonly<Record<string, string>> = {
  "README.md: npx -y deno task start --demo     # with Deno installed: deno task start --demo":
    "all of this runs against what it starts",
  "README.md: npx -y deno task test             # the test suite, on a throw-away PostgreSQL":
    "it would run itself",
  'README.md: import { createClient, documents } from "@curestry/client";':
    "test/client/package.test.ts runs it with the package",
  "CONTRIBUTING.md: deno task ok": "it would run itself",
  "CONTRIBUTING.md: deno task test                                          # all":
    "it would run itself",
  "CONTRIBUTING.md: deno task mutate --only 'on core.prompts'      # or --sample 50, or all: a night, --results FILE":
    "it takes an hour; .ci/run runs a sample",
  "CONTRIBUTING.md: deno task drill --short                      # a minute or two":
    "it takes minutes; .ci/run runs it",
  'docs/files.md: {"line":2,"outcome":"inserted","id":"4d1c…"}':
    "it is an answer; test/files compares such",
  'docs/live.md: import { createClient } from "graphql-ws";':
    "it never ends; test/live subscribes with the same client",
  "docs/operations.md: create role app login createdb createrole password '…';":
    "it needs a server of one's own; test/database tries it",
  "docs/operations.md: export DATABASE_URL=postgres://app:…@db.example.com/curestry":
    "it needs a server of one's own; test/database tries it",
  "docs/operations.md: createdb --template template0 --encoding UTF8 curestry":
    "it needs a server of one's own; test/database tries it",
  "docs/operations.md: psql -d curestry -c \"create role dora login password '…' in role curestry_analyst\"":
    "it needs a server of one's own; test/cli/analyst.test.ts tries it",
  "docs/operations.md: export CURESTRY_GATEWAY_URL='postgres://curestry_gateway:OLD@db.example.com/curestry postgres://curestry_gateway:NEW@db.example.com/curestry'":
    "it needs a server of one's own; test/database tries it",
  "docs/operations.md: psql -d curestry -c \"select pg_terminate_backend(pid) from pg_stat_activity where usename in ('curestry_gateway', 'curestry_worker')\"":
    "it would end what the other examples use",
  "docs/operations.md: pg_dump --data-only --disable-triggers --table 'core.*' --table 'ops.*' --table 'app.feature_event_*' \"$OLD\" > data.sql":
    "it needs two servers",
  "docs/performance.md: npx -y deno task bench                # all; or by name: gateway live marts record imports files audit policy floods growth search":
    "it takes an hour",
  "docs/walkthrough.md: deno task start": "all of this runs against what it starts",
};

/** What is refused, which is what the example shows. */
const refused: Readonly<Record<string, string>> = {
  "docs/people.md: npx -y deno task curestry legal-hold place --organization studio --reason 'Smith v. Studio'":
    "is under legal hold",
  'docs/walkthrough.md: sed -e \'s/"idempotencyKey":"/&again-/\' -e \'3s/"score":[0-9.]*/"score":-1/\' -e \'5s/.\\{200\\}$//\' \\':
    "2 refused",
  "docs/walkthrough.md: psql \"$ANALYST_URL\" -c 'select day, analyses from mart.analysis_daily order by day desc limit 5'":
    "ERROR",
};

/** Answers in JSON whose values differ from day to day: their shape is compared. */
const differs: ReadonlySet<string> = new Set(["README.md: export KEY=cur_…"]);

/** Whether a program is on the path. */
function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program));
      return true;
    } catch {
      return false;
    }
  });
}

const hasPsql = isInstalled("psql");

/** Why a block cannot be run on this machine. */
function missingHere({ page, text }: Block): string | null {
  if (page === "docs/walkthrough.md" && !HAS_DATA) return "without ../shared/data";
  if (/\bpsql\b/.test(text) && !hasPsql) return "without psql";
  return null;
}

describe("every example of the documentation", () => {
  let dataDir = "";
  let folder = "";
  let url = "";
  let demoKey = "";
  /** Of the person who runs the next document, instead of the demo's key. */
  let token: string | null = null;
  /** What the reader of the examples has exported, and what stands in place of a secret. */
  const exported: Record<string, string> = { CODE: "", CURESTRY_KEY: "", CURESTRY_URL: "" };
  const secrets: [placeholder: string | RegExp, secret: string][] = [];

  beforeAll(async () => {
    dataDir = await makeDataDir();
    const demo = runProcess(["src/bin/start.ts", "--demo"], {
      CURESTRY_DATA_DIR: dataDir,
      CURESTRY_DATABASE_PORT: "0",
      CURESTRY_LOG_LEVEL: "warn",
      PORT: "0",
    });
    [, url = ""] = await demo.prints(/^Curestry is ready on (\S+)$/m);
    [, demoKey = ""] = await demo.prints(/An API key +(cur_\w+)$/m);
    exported.KEY = demoKey;
    [, exported.ANALYST_URL = ""] = await demo.prints(/An analyst +(postgres:\S+)$/m);
    folder = await mkdtemp(join(tmpdir(), "curestry-examples-"));
    for (const name of ["docs", "src"]) symlinkSync(join(repositoryRoot, name), join(folder, name));
    mkdirSync(join(folder, "bin"));
    const flags = taskFlags("curestry").join(" ");
    // In place of `deno task`, which installs first; and of npx, which would look for Deno
    await writeProgram(
      "deno",
      `if [ "$1 $2" = "task curestry" ]; then
  shift 2
  exec '${process.execPath}' ${flags} '${repositoryRoot}/src/bin/curestry.ts' "$@"
fi
exec '${process.execPath}' "$@"`,
    );
    await writeProgram("npx", 'shift 2; exec deno "$@"');
  });
  afterAll(async () => {
    await stopProcesses();
    await removeDataDir(dataDir);
    await rm(folder, { recursive: true, force: true });
  });

  async function writeProgram(name: string, text: string): Promise<void> {
    await writeFile(join(folder, "bin", name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }

  /** As it is written, but for addresses, secrets and the place of files. */
  function prepare(text: string): string {
    let prepared = text.replaceAll("/tmp/", `${folder}/`)
      .replaceAll("http://127.0.0.1:5678", url)
      .replaceAll("../shared/data", DATA);
    for (const [placeholder, secret] of secrets) {
      prepared = prepared.replaceAll(placeholder, () => secret);
    }
    // What stands for a secret was exported before
    return prepared.replace(/\b(\w+)=(?:cur_|eyJ|postgres:\/\/\w+:)?…/g, '$1="$$$1"');
  }

  /**
   * Runs it in bash, which gives up at the first command that fails.
   *
   * @param options `until`: ends it as soon as it has printed this; `mayFail`: goes on, and is content
   * @returns what it printed
   */
  async function runInShell(
    text: string,
    { until = null, mayFail = false }: { until?: RegExp | null; mayFail?: boolean } = {},
  ): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawn("bash", ["-uc", mayFail ? text : `set -eo pipefail\n${text}`], {
      cwd: folder,
      env: {
        ...process.env,
        ...exported,
        PATH: [join(folder, "bin"), process.env.PATH].join(delimiter),
        CURESTRY_DATA_DIR: dataDir,
        CURESTRY_LOG_LEVEL: "warn",
        NO_COLOR: "1",
        PAGER: "cat",
      },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let ended = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (data: string) => {
        output += data;
        if (!ended && until?.test(output)) {
          ended = true;
          process.kill(-(child.pid ?? 0), "SIGKILL");
        }
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      if (ended || mayFail || code === 0) resolve(output);
      else reject(new Error(`It exited ${code}:\n${text}\n${output}`));
    });
    return await promise;
  }

  /** What a block needs before, as the text around it says. */
  const before: Readonly<Record<string, () => Promise<void> | void>> = {
    "docs/files.md: # A year of analyses, to be imported elsewhere": async () => {
      exported.OTHER_KEY = await makeKey(
        "studio",
        "prompts:read,prompts:write,analyses:write,rubrics:read",
      );
    },
    "docs/http.md: deno task curestry document register persisted-queries.json --client web@1.4":
      async () => {
        const document = "query Newest { prompts(first: 1) { nodes { id } } }";
        await writeFile(
          join(folder, "persisted-queries.json"),
          JSON.stringify({ newest: document }),
        );
      },
    "docs/marts.md: export TOKEN=eyJ…   # from: npx -y deno task curestry token create --user you@example.com":
      async () => {
        exported.TOKEN = await makeToken("you@example.com");
      },
    "docs/people.md: export BEN=eyJ…     # ben's token": async () => {
      await runInShell(
        "deno task curestry member add ben@example.com --organization demo --role viewer",
      );
      exported.BEN = await makeToken("ben@example.com");
    },
    "docs/people.md: npx -y deno task curestry legal-hold place --organization studio --reason 'Smith v. Studio'":
      () => {
        secrets.push([
          "release ID",
          `release "$(deno task curestry legal-hold list --json | grep -o '[0-9a-f-]\\{36\\}' | head -1)"`,
        ]);
      },
    "docs/people.md: mutation {": async () => {
      await runInShell(
        "deno task curestry member add ben@example.com --organization demo --role viewer",
      );
      token = await makeToken("ben@example.com");
    },
    "docs/walkthrough.md: deno task curestry rollup": async () => {
      // The worker may not have come to it yet
      await runInShell("deno task curestry rollup");
    },
    "docs/report.md: deno task curestry analyst create --name NAME --organization SLUG": () => {
      secrets.push(["--name NAME", "--name reporter"], ["SLUG", "studio"]);
    },
  };

  /** What its reader has copied for later examples. */
  const after: Readonly<Record<string, (output: string) => void>> = {
    "README.md: npx -y deno task curestry organization create --slug studio --name Studio --owner you@example.com":
      (output) => {
        exported.KEY = find(/cur_\w+/, output);
      },
    "README.md: npx -y deno task curestry analyst create --name ann --organization studio":
      () => {},
    "docs/people.md: npx -y deno task curestry token create --user you@example.com": (output) => {
      exported.CODE = find(/"code":"([^"]+)"/, output);
    },
    "docs/walkthrough.md: deno task curestry api-key create --organization arena --name walk --expires 90d \\":
      (output) => {
        exported.CURESTRY_KEY = find(/cur_\w+/, output);
        exported.CURESTRY_URL = url;
      },
    "docs/walkthrough.md: deno task curestry analyst create --name walker --organization arena": (
      output,
    ) => {
      exported.ANALYST_URL = find(/postgres:\S+/, output);
    },
  };

  async function makeKey(organization: string, scopes: string): Promise<string> {
    return find(
      /cur_\w+/,
      await runInShell(
        `deno task curestry api-key create --organization ${organization} --name other --scope ${scopes}`,
      ),
    );
  }

  async function makeToken(email: string): Promise<string> {
    return find(/eyJ[\w.-]+/, await runInShell(`deno task curestry token create --user ${email}`));
  }

  for (const block of blocks.filter((one) => !(nameOf(one) in notRun))) {
    const missing = missingHere(block);
    const name = nameOf(block) + (missing === null ? "" : ` (skipped ${missing})`);
    test.skipIf(missing !== null)(name, () => runBlock(block));
  }

  async function runBlock(block: Block): Promise<void> {
    const name = nameOf(block);
    const missing = missingHere(block);
    if (missing !== null) return;
    await before[name]?.();
    const text = prepare(block.text);
    if (block.language === "graphql") {
      await runDocument(text, block.output);
      return;
    }
    const isEndless = /\bcurl -N /.test(text) && text.includes("subscription");
    const output = await runInShell(text, {
      until: isEndless ? /"READY"/ : null,
      mayFail: name in refused,
    });
    expect(output).not.toContain('{"errors"');
    const refusal = refused[name];
    if (refusal !== undefined) expect(output).toContain(refusal);
    after[name]?.(output);
    if (block.output === null) return;
    if (differs.has(name)) expect(shapeOf(output)).toEqual(shapeOf(block.output));
    else expectShown(block.output, output);
  }

  async function runDocument(document: string, output: string | null): Promise<void> {
    const credential = token === null ? { key: demoKey } : { token };
    token = null;
    const { prompts } = await graphqlData<{ prompts: { nodes: { id: string }[] } }>(url, {
      key: demoKey,
      query: "{ prompts(first: 1) { nodes { id } } }",
    });
    const query = document.replaceAll("…", prompts.nodes[0]?.id ?? "none");
    if (query.startsWith("subscription")) {
      const subscriber = subscribe(url, "events", { query, ...credential });
      await subscriber.ready();
      subscriber.stop();
      return;
    }
    const { errors, data } = await graphql(url, { query, ...credential });
    expect(errors).toBeUndefined();
    for (const [field, value] of Object.entries(data ?? {})) {
      expect([field, value]).not.toEqual([field, null]);
    }
    if (output !== null) expectShown(output, JSON.stringify(data));
  }

  test("what is not run is there, and has a reason", () => {
    const names = blocks.map(nameOf);
    for (const name of [...Object.keys(notRun), ...Object.keys(before), ...Object.keys(after)]) {
      expect(names).toContain(name);
    }
  });
});

function find(pattern: RegExp, text: string): string {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`${pattern} is not in ${text}`);
  return found[1] ?? found[0];
}

/** Compares what is documented with what came out, but for white space; `…` stands for anything. */
function expectShown(documented: string, output: string): void {
  const pack = (text: string) => text.replace(/\s+/g, "");
  const pattern = pack(documented).replace(/\b[0-9a-f]{4,8}-?…/g, "…")
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*?");
  expect(pack(output)).toMatch(new RegExp(pattern));
}

/** A document of JSON, with the type of each value in its place, and one item for each list. */
function shapeOf(text: string): unknown {
  function shape(value: unknown): unknown {
    if (Array.isArray(value)) return value.slice(0, 1).map(shape);
    if (typeof value !== "object" || value === null) return typeof value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
  }
  return shape(JSON.parse(text));
}
