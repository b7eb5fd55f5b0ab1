import { badParameter } from "./file_error.ts";
import { exportKinds, type ExportTable, firstMart, marts } from "./kinds.ts";

/** The formats of `format`. */
export const exportFormats = ["csv", "jsonl", "parquet"] as const;
export type ExportFormat = typeof exportFormats[number];

/** What an export was asked for. */
export interface ExportRequest {
  /** For the name of the file. */
  name: string;
  table: ExportTable;
  format: ExportFormat;
  /** Conditions, each with its value. */
  conditions: { sql: string; value: string }[];
  /** Whether a condition leaves few rows, which have an index of their own. */
  isSelective: boolean;
  /** The row after which it goes on. */
  after: string | null;
  /** Rows at most. */
  limit: number;
  /** Whether cells that a spreadsheet would take for formulas are made texts. */
  isForSpreadsheet: boolean;
}

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const common = ["format", "from", "to", "after", "limit", "spreadsheet"];

/**
 * Reads the parameters of an export.
 *
 * @throws FileError that names the parameter and its rule
 */
export function readExportRequest(kind: string, parameters: URLSearchParams): ExportRequest {
  const isMart = exportKinds[kind] === "marts";
  const mart = isMart ? parameters.get("mart") ?? firstMart : "";
  if (isMart && !Object.hasOwn(marts, mart)) {
    throw badParameter("mart", `must be ${listOf(Object.keys(marts))}`);
  }
  const table = isMart ? marts[mart]! : exportKinds[kind] as ExportTable;
  const known = [...common, ...(isMart ? ["mart"] : []), ...Object.keys(table.filters)];
  for (const name of parameters.keys()) {
    if (!known.includes(name)) {
      throw badParameter(name, `is no parameter of this export; there are ${known.join(", ")}`);
    }
    if (parameters.getAll(name).length > 1) throw badParameter(name, "may be given once");
    if (!isText(parameters.get(name)!)) {
      throw badParameter(name, "has a character that no text of ours has");
    }
  }
  const conditions: ExportRequest["conditions"] = [];
  const { time, filters, id } = table;
  for (const [name, operator] of [["from", ">="], ["to", "<"]] as const) {
    const value = parameters.get(name);
    if (value === null) continue;
    checkTime(name, value, time.type);
    const isDayOfTimes = time.type === "timestamptz" && isDay(value);
    conditions.push({
      sql: `${time.sql} ${operator} ?::${time.type}`,
      value: isDayOfTimes ? `${value}T00:00:00Z` : value,
    });
  }
  for (const [name, { sql, words, isUuid }] of Object.entries(filters)) {
    const value = parameters.get(name);
    if (value === null) continue;
    if (words?.includes(value) === false) throw badParameter(name, `must be ${listOf(words)}`);
    if (isUuid && !uuid.test(value)) throw badParameter(name, "must be a UUID");
    conditions.push({ sql, value });
  }
  const after = parameters.get("after");
  if (after !== null && id.type === "uuid" && !uuid.test(after)) {
    throw badParameter("after", "must be the id of the last row that you have, a UUID");
  }
  return {
    name: isMart ? mart : kind,
    table,
    format: choose("format", parameters, exportFormats),
    conditions,
    isSelective: Object.entries(filters).some(([name, { isSelective }]) =>
      isSelective === true && parameters.has(name)
    ),
    after,
    limit: readLimit(parameters.get("limit")),
    isForSpreadsheet: readSwitch("spreadsheet", parameters),
  };
}

/** A parameter that is `true` or `false`, false if it is not there. */
export function readSwitch(name: string, parameters: URLSearchParams): boolean {
  return choose(name, parameters, ["false", "true"]) === "true";
}

/** A parameter that is one of some words, the first if it is not there. */
export function choose<Word extends string>(
  name: string,
  parameters: URLSearchParams,
  words: readonly Word[],
): Word {
  const value = parameters.get(name) ?? words[0];
  const found = words.find((word) => word === value);
  if (found === undefined) throw badParameter(name, `must be ${listOf(words)}`);
  return found;
}

function readLimit(text: string | null): number {
  if (text === null) return Infinity;
  if (!/^[1-9]\d{0,11}$/.test(text)) throw badParameter("limit", "must be a whole number from 1");
  return Number(text);
}

const dayPattern = /^(\d{4})-(\d\d)-(\d\d)$/;
const timePattern =
  /^(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339: a full-date, or a date-time with its offset where the time is not that of days. */
function checkTime(name: string, value: string, type: ExportTable["time"]["type"]): void {
  if (isDay(value)) return;
  if (type === "date") throw badParameter(name, "must be a day such as 2026-01-31");
  const [, day] = timePattern.exec(value) ?? [];
  if (day === undefined || !isDay(day)) {
    throw badParameter(
      name,
      "must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31, " +
        "which means its beginning in UTC; a + in an address is written %2B",
    );
  }
}

function isDay(text: string): boolean {
  const [, year = "", month = "", day = ""] = dayPattern.exec(text) ?? [];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  return Number(year) >= 1000 && date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day);
}

function isText(value: string): boolean {
  return !value.includes("\0") && value.isWellFormed() && !value.includes("\ufffd");
}

function listOf(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
