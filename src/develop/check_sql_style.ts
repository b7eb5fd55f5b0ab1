import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import process from "node:process";
import { fail } from "../shared/process.ts";
import { repositoryRoot } from "../shared/settings.ts";

/** A breach of the style of sql/README.md. */
export interface StyleFault {
  /** Counted from 1. */
  line: number;
  rule: string;
}

const maxLineLength = 120;
const maxTemplateParameters = 4;

/** Enough to notice a statement in upper case; NEW, OLD and TG_… are upper case by house rule. */
const upperCaseKeyword =
  /\b(SELECT|FROM|WHERE|JOIN|GROUP|ORDER|WITH|UNION|INSERT|UPDATE|DELETE|TRUNCATE|VALUES|RETURNING|CREATE|ALTER|DROP|GRANT|REVOKE|COMMENT|TABLE|VIEW|FUNCTION|TRIGGER|POLICY|RETURNS?|LANGUAGE|DECLARE|BEGIN|END|IF|THEN|ELSE|CASE|LOOP|AND|OR|NOT|NULL|EXISTS)\b/;

const functionStart = /\bcreate or replace function ([\w.]+)\s*\(/g;
const volatilityPattern = /\b(stable|immutable|volatile)\b|\breturns (event_)?trigger\b/;

/**
 * Finds where a file of definitions is not in our style, line by line.
 *
 * @param text SQL; bodies in dollar quotes are read as code
 */
export function findStyleFaults(text: string): StyleFault[] {
  const code = blankTextsAndComments(text);
  const faults = [...findLineFaults(text, code), ...findFunctionFaults(code)];
  if (text !== "" && !/[^\n]\n$/.test(text)) {
    faults.push({ line: text.split("\n").length, rule: "the file ends with one newline" });
  }
  return faults.toSorted((one, other) => one.line - other.line);
}

function findLineFaults(text: string, code: string): StyleFault[] {
  const codeLines = code.split("\n");
  return text.split("\n").flatMap((content, index) => {
    const parameters = [...content.matchAll(/%(\d+)\$/g)].map(([, number]) => Number(number));
    const rules = [
      [...content].length > maxLineLength && `a line has at most ${maxLineLength} characters`,
      content.includes("\t") && "no tab",
      /\s$/.test(content) && "no white space at the end of a line",
      upperCaseKeyword.test(codeLines[index] ?? "") && "keywords are in lower case",
      parameters.some((number) => number > maxTemplateParameters) &&
      `a positional template has at most ${maxTemplateParameters} parameters`,
    ];
    return rules.filter((rule) => rule !== false).map((rule) => ({ line: index + 1, rule }));
  });
}

function findFunctionFaults(code: string): StyleFault[] {
  return [...code.matchAll(functionStart)].flatMap(({ 0: start, 1: name = "", index }) => {
    const after = code.slice(index + start.length);
    // The header ends where the body begins
    const header = /^[\s\S]*?(?=\$\w*\$|\breturn\b|\bbegin atomic\b)/.exec(after)?.[0] ?? after;
    const has = (statement: string) =>
      new RegExp(`^${statement} ${name.replaceAll(".", "\\.")}(?![\\w.])`, "m").test(after);
    const rules = [
      !volatilityPattern.test(header) && `${name} states its volatility`,
      !has("revoke execute on function") && `${name} is followed by its revoke execute`,
      !has("comment on function") && `${name} is followed by its comment`,
    ];
    const line = code.slice(0, index).split("\n").length;
    return rules.filter((rule) => rule !== false).map((rule) => ({ line, rule }));
  });
}

/** The same text with the same lines, with nothing inside of quotes and comments. */
function blankTextsAndComments(text: string): string {
  return text.replace(
    /--[^\n]*|\/\*[\s\S]*?\*\/|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"[^"]*"/g,
    (part) => part.replace(/[^\n]/g, " "),
  );
}

/** A part of `deno task ok`: prints the faults of sql/ and of the open migration. */
async function main(): Promise<void> {
  const files = (await readdir(join(repositoryRoot, "sql"), { recursive: true }))
    .filter((file) => file.endsWith(".sql")).map((file) => join(repositoryRoot, "sql", file));
  files.push(join(repositoryRoot, "migrations/current.sql"));
  let count = 0;
  for (const file of files.toSorted()) {
    for (const { line, rule } of findStyleFaults(await readFile(file, "utf8"))) {
      console.error(`${relative(repositoryRoot, file)}:${line}: ${rule}`);
      count++;
    }
  }
  if (count > 0) throw new Error(`${count} faults of style in SQL; see sql/README.md`);
  console.log(`The style of ${files.length} files of SQL is ours`);
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
