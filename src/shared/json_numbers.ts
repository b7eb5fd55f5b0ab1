/** What `JSON.parse` tells a reviver, and `JSON.rawJSON`; not yet among the types. */
type Revive = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;
const json = JSON as unknown as {
  parse(text: string, revive?: Revive): unknown;
  rawJSON(source: string): unknown;
};

/**
 * A text without this has no number that could be lost, and to look at each number takes time: an integer of 16 digits,
 * 18 digits that count, an exponent of three.
 */
const suspicious = /(?<![\d.])\d{16}|[1-9][\d.]{18}|\d[eE][+-]?\d{3}/;
/** More digits than a number of JavaScript can ever tell. */
const mostDigits = 17;

/** A number in JSON that would be stored as another one. */
export class LostNumber extends Error {
  override name = "LostNumber";

  /** @param field whose value it is; null for one in a list */
  constructor(source: string, readonly field: string | null) {
    super(lostNumber(source));
  }
}

/** What is said of a number that would be stored as another one. */
export function lostNumber(source: string): string {
  const shown = source.length > 50 ? `${source.slice(0, 50)}…` : source;
  return `the number ${shown} has more digits, or is larger, than numbers here hold: send it as a string`;
}

/** Whether a number, as it is written, would become another one: 1e400, or an integer of twenty digits. */
export function isLost(source: string): boolean {
  const value = Number(source);
  if (!Number.isFinite(value)) return true;
  const digits = digitsOf(source);
  if (/^-?\d+$/.test(source)) return digits !== digitsOf(String(value));
  return digits.length > mostDigits || (value === 0 && digits !== "");
}

/** From the first that is not 0 to the last one. */
function digitsOf(source: string): string {
  return source.replace(/e.*$/i, "").replace(/\D/g, "").replace(/^0+|0+$/g, "");
}

/**
 * `JSON.parse`, which makes null of what is too large and another number of one with many digits.
 *
 * @throws {LostNumber} if there is such a number
 * @throws {SyntaxError} if it is not JSON
 */
export function parseJson(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return json.parse(text, (key, value, { source }) => {
    if (typeof value === "number" && source !== undefined && isLost(source)) {
      throw new LostNumber(source, /^\d*$/.test(key) ? null : key);
    }
    return value;
  });
}

/** `JSON.parse` for what becomes a text again: numbers that it would change are written as they were. */
export function parseJsonToPassOn(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return json.parse(
    text,
    (_key, value, { source }) =>
      typeof value === "number" && source !== undefined && isLost(source)
        ? json.rawJSON(source)
        : value,
  );
}
