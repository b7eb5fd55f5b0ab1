const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientDecoder = new TextDecoder("utf-8");

/** Why a record was refused whose bytes `decode` could not read. */
export const notUtf8 = "is not valid UTF-8";

/**
 * The text of bytes in UTF-8; a byte order mark is one of its characters.
 *
 * @returns null if they are not UTF-8
 */
export function decode(bytes: Uint8Array, options: { lenient?: boolean } = {}): string | null {
  if (options.lenient) return lenientDecoder.decode(bytes);
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * Whether a text is JSON.
 *
 * @returns what is wrong with it, null if nothing is
 */
export function jsonProblem(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return `is not valid JSON: ${error instanceof Error ? shorten(error.message) : error}`;
  }
}

/** V8's words, without those that repeat the text or mean another line than that of the file. */
function shorten(message: string): string {
  return message
    .replace(/, .* is not valid JSON$/s, "")
    .replace(/ in JSON at position (\d+).*$/s, (_, position) => ` at character ${+position + 1}`);
}
