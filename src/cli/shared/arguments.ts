import { InvalidArgumentError } from "commander";

const secondsByUnit: Partial<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 24 * 3600,
  w: 7 * 24 * 3600,
};

/** 100 years, which is within what PostgreSQL's times can hold. */
const longestDurationSeconds = 100 * 365 * 24 * 3600;

/**
 * Reads a duration: 15m, 1h, 90d.
 *
 * @returns seconds
 * @throws {InvalidArgumentError} if it is none
 */
export function parseDuration(text: string): number {
  const [, number, unit = ""] = /^(\d{1,12})([smhdw])$/.exec(text) ?? [];
  const seconds = Number(number) * (secondsByUnit[unit] ?? NaN);
  if (!(seconds > 0 && seconds <= longestDurationSeconds)) {
    throw new InvalidArgumentError(
      "Use a number with s, m, h, d or w, such as 15m, 1h or 90d; at most 100 years.",
    );
  }
  return seconds;
}

/**
 * Reads a point in time: 2026-01-31, or with a time of day as in ISO 8601; UTC unless it says
 * otherwise.
 *
 * @throws {InvalidArgumentError} if it is none
 */
export function parseTime(text: string): Date {
  const form =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:\d{2})?)?$/i;
  const [, day = "", time = "00:00", zone = "Z"] = form.exec(text) ?? [];
  const midnight = new Date(`${day}T00:00Z`);
  const date = new Date(`${day}T${time}${zone}`);
  // The 31st of February would become the 3rd of March
  if (Number.isNaN(date.getTime()) || midnight.toISOString().slice(0, 10) !== day) {
    throw new InvalidArgumentError("Use a day or a time in UTC: 2026-01-31 or 2026-01-31T12:00Z.");
  }
  return date;
}

/** Collects an option that may be given several times, each with one value or a list with commas. */
export function collect(text: string, before: string[] = []): string[] {
  const values = text.split(",").map((value) => value.trim()).filter(Boolean);
  if (values.length === 0) throw new InvalidArgumentError("It is empty.");
  return [...before, ...values];
}

/**
 * Makes a reader of ids.
 *
 * @param list the command that shows them
 */
export function makeParseUuid(list: string): (text: string) => string {
  return function parseUuid(text) {
    if (!/^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(text)) {
      throw new InvalidArgumentError(`It is not an id (a UUID); \`${list}\` shows the ids.`);
    }
    return text;
  };
}
