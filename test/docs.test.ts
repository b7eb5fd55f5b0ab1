import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join, posix } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { makeProgram } from "../src/cli/make_program.ts";
import { readSettings, repositoryRoot } from "../src/shared/settings.ts";

/** The documentation, by path from the root of the repository. */
const pages: ReadonlyMap<string, string> = new Map(
  ["*.md", "sql/README.md", "docs/**/*.md"]
    .flatMap((pattern) => globSync(pattern, { cwd: repositoryRoot }))
    .map((file) => file.replaceAll("\\", "/")).sort()
    .map((file) => [file, readText(file)]),
);

function readText(file: string): string {
  return readFileSync(join(repositoryRoot, file), "utf8");
}

function isThere(path: string): boolean {
  return existsSync(join(repositoryRoot, path));
}

/** What a finder finds, in all pages: "page: finding". */
function findInPages(find: (text: string, page: string) => string[]): string[] {
  return [...pages].flatMap(([page, text]) => find(text, page).map((found) => `${page}: ${found}`));
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, "").replace(
    /`[^`\n]*`/g,
    (code) => code.replace(/[[\]()]/g, ""),
  );
}

/** The anchors of a page, as GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-")
    ),
  );
}

/** Relative links that lead to no file, or to no heading of it. */
function findBadLinks(text: string, page: string): string[] {
  const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const target = posix.join(dirname(page), path);
    if (!isThere(target)) return true;
    return anchor !== undefined && !anchorsOf(path === "" ? text : readText(target)).has(anchor);
  });
}

/** Paths of the repository that are not there. */
function findBadPaths(text: string): string[] {
  return [...text.matchAll(/(?<![\w./-])(?:sql|src|worker|test|bench|docs)\/[\w./-]+/g)]
    .map(([path]) => path.replace(/\.$/, ""))
    .filter((path) => !isThere(path));
}

/** Functions, tables and views, each the name of a file: "app.health". */
const definitions = new Set(
  globSync("sql/{app,core,ops,mart,report}/**/*.sql", { cwd: repositoryRoot })
    .map((file) => `${file.split(/[\\/]/)[1]}.${basename(file, ".sql")}`),
);

/** Names of functions and tables that no file defines. */
function findBadNames(text: string): string[] {
  const partition = /_(default)?$/; // "app.audit_log_default", "app.audit_log_*"
  return [...text.matchAll(/(?<![\w./-])(?:app|core|ops|mart|report)\.[a-z]\w*(?!\w)/g)]
    .map(([name]) => name)
    .filter((name) =>
      !/\.(ts|md|sql)$/.test(name) && !partition.test(name) && !definitions.has(name)
    );
}

/** Commands of `curestry` in code blocks that the command line does not know, or not so. */
function findBadCommands(text: string): string[] {
  const lines = text.replace(/\\\n\s*/g, " ").split("\n");
  return lines.flatMap((line) => /^[^#`]*\btask curestry (.+)$/.exec(line)?.[1] ?? [])
    .filter((line) => {
      const words = line.replace(/\s#.*$/, "").replace(/'[^']*'|"[^"]*"/g, "TEXT").split(/\s+/);
      const program = makeProgram(() => Promise.resolve());
      let command: Command = program;
      for (const word of words) {
        const next = command.commands.find((one) =>
          one.name() === word || one.aliases().includes(word)
        );
        if (next === undefined) break;
        command = next;
      }
      const options = [...program.options, ...command.options].map(({ long }) => long);
      return (command === program && words[0] !== "--help") ||
        words.some((word) => /^--\w/.test(word) && word !== "--help" && !options.includes(word));
    });
}

test("the finders find what is wrong", () => {
  const page = "docs/page.md";
  expect(findBadLinks("[a](none.md) [b](../README.md) [c](https://x.org/y)", page))
    .toEqual(["none.md"]);
  expect(findBadLinks("# A `b`, c\n[a](#a-b-c) [b](#b) [c](../README.md#nowhere)", page))
    .toEqual(["#b", "../README.md#nowhere"]);
  expect(findBadPaths("`sql/all.sql`, `src/nowhere.ts`; see test/helpers.")).toEqual([
    "src/nowhere.ts",
  ]);
  expect(findBadNames("`app.health()`, `app.healthy`, ops.audit_log, src/http/app.ts"))
    .toEqual(["app.healthy"]);
  expect(findBadCommands(
    "deno task curestry operator list\ndeno task curestry fly\ndeno task curestry jobs --late",
  )).toEqual(["fly", "jobs --late"]);
});

test("every relative link leads to a file, and to its heading", () => {
  expect(pages.size).toBeGreaterThan(10);
  expect(findInPages(findBadLinks)).toEqual([]);
});

test("every path, function and table that is named is there", () => {
  expect(findInPages(findBadPaths)).toEqual([]);
  expect(findInPages(findBadNames)).toEqual([]);
});

test("every command is one that the command line takes", () => {
  expect(findInPages(findBadCommands)).toEqual([]);
});

test("sql/README.md names every folder of sql/app", () => {
  const folders = globSync("sql/app/*/", { cwd: repositoryRoot }).map((path) => basename(path));
  expect(folders.length).toBeGreaterThan(10);
  const text = pages.get("sql/README.md") ?? "";
  expect(folders.filter((folder) => !text.includes(`\`app/${folder}\``))).toEqual([]);
});

test("docs/settings.md lists the settings that are read, and no other", () => {
  const read = new Set<string>();
  readSettings(
    new Proxy<Record<string, string | undefined>>({}, {
      get: (_, name) => void read.add(String(name)),
    }),
  );
  const text = pages.get("docs/settings.md") ?? "";
  const listed = [...text.matchAll(/^\| `([A-Z][A-Z_]+)`/gm)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual([...read].sort());
});
