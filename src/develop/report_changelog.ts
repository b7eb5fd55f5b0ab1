import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../shared/settings.ts";

/** Type by column, of all columns of the schema `report`: `"analyses.status" → "character varying(20)"`. */
export type ReportColumns = ReadonlyMap<string, string>;

/** What docs/report-changelog.md says. */
export interface ReportChangelog {
  /** The newest version: MAJOR.MINOR. */
  version: string;
  /** What its history adds up to. */
  columns: ReportColumns;
}

interface Version {
  line: number;
  major: number;
  minor: number;
  changes: { line: number; text: string }[];
}

/** A column, or a type, in a line of the changelog. */
const codePattern = "`([^`]+)`";
const changePatterns = {
  added: new RegExp(`^- added ${codePattern} as ${codePattern}`),
  removed: new RegExp(`^- removed ${codePattern}`),
  renamed: new RegExp(`^- renamed ${codePattern} to ${codePattern}`),
  retyped: new RegExp(`^- retyped ${codePattern} to ${codePattern}`),
};

/** Reads docs/report-changelog.md. */
export async function readReportChangelog(): Promise<ReportChangelog> {
  const file = join(repositoryRoot, "docs", "report-changelog.md");
  return parseReportChangelog(await readFile(file, "utf8"));
}

/**
 * What a changelog adds up to. Its versions are second-level headings, `## 1.0, 2026-11-22`, newest
 * first; its changes are list items: `` - added `view.column` as `type` ``, `` - removed `view.column` ``,
 * `` - renamed `view.column` to `view.column` ``, `` - retyped `view.column` to `type` ``. All else is
 * for people.
 *
 * @throws {Error} naming the line, if it contradicts what came before it, or if a version that breaks
 * what a dashboard may use is not a major one
 */
export function parseReportChangelog(text: string): ReportChangelog {
  const versions = splitVersions(text).toReversed();
  const columns = new Map<string, string>();
  let before = { major: 0, minor: 0 };
  for (const { line, major, minor, changes } of versions) {
    let isBreaking = major === 1 && before.major === 0;
    for (const change of changes) isBreaking = apply(columns, change) || isBreaking;
    const expected = isBreaking
      ? { major: before.major + 1, minor: 0 }
      : { major: before.major, minor: before.minor + 1 };
    if (major !== expected.major || minor !== expected.minor) {
      throw new Error(
        `Line ${line}: the version must be ${expected.major}.${expected.minor}, because it ` +
          (isBreaking ? "removes, renames or retypes columns" : "only adds columns"),
      );
    }
    before = { major, minor };
  }
  return { version: `${before.major}.${before.minor}`, columns };
}

/**
 * The lines that the changelog lacks.
 *
 * @param before what it adds up to
 * @param now what the database has
 */
export function listReportChanges(before: ReportColumns, now: ReportColumns): string[] {
  const changes: string[] = [];
  for (const [column, type] of now) {
    const old = before.get(column);
    if (old === undefined) changes.push(`- added \`${column}\` as \`${type}\``);
    else if (old !== type) changes.push(`- retyped \`${column}\` to \`${type}\``);
  }
  for (const column of before.keys()) {
    if (!now.has(column)) changes.push(`- removed \`${column}\``);
  }
  return changes;
}

function splitVersions(text: string): Version[] {
  const versions: Version[] = [];
  text.split("\n").forEach((content, index) => {
    const line = index + 1;
    const [heading, major, minor] = /^## (\d+)\.(\d+), \d{4}-\d{2}-\d{2}$/.exec(content) ?? [];
    if (heading) {
      versions.push({ line, major: Number(major), minor: Number(minor), changes: [] });
    } else if (content.startsWith("## ")) {
      throw new Error(`Line ${line}: a heading must be like "## 1.0, 2026-11-22"`);
    } else if (/^- (added|removed|renamed|retyped) `/.test(content)) {
      const version = versions.at(-1);
      if (!version) throw new Error(`Line ${line}: a change must stand under its version`);
      version.changes.push({ line, text: content });
    }
  });
  return versions;
}

/** @returns whether it breaks what a dashboard may use */
function apply(columns: Map<string, string>, { line, text }: Version["changes"][number]): boolean {
  const added = changePatterns.added.exec(text);
  if (added) {
    const [, column = "", type = ""] = added;
    if (columns.has(column)) throw new Error(`Line ${line}: ${column} was there already`);
    columns.set(column, type);
    return false;
  }
  const changed = changePatterns.removed.exec(text) ?? changePatterns.renamed.exec(text) ??
    changePatterns.retyped.exec(text);
  if (!changed) throw new Error(`Line ${line} lacks something: ${text}`);
  const [, column = "", to] = changed;
  const type = columns.get(column);
  if (type === undefined) throw new Error(`Line ${line}: ${column} was not there`);
  if (text.startsWith("- retyped")) {
    columns.set(column, to ?? "");
    return true;
  }
  columns.delete(column);
  if (to !== undefined) columns.set(to, type);
  return true;
}
