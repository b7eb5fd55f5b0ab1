/**
 * The length of a value as JSON, without making it: characters, of which each is a byte or more.
 *
 * @param enough where measuring stops, so that what is far too long costs no more than what is a
 * little too long
 */
export function measureAnswer(value: unknown, enough: number): number {
  let length = 0;
  function add(value: unknown): void {
    if (length > enough) return;
    if (typeof value === "string") length += value.length + 2;
    else if (typeof value !== "object" || value === null) length += 5;
    else if (Array.isArray(value)) {
      length += value.length + 1;
      for (const inner of value) add(inner);
    } else {
      length += 2;
      for (const key in value) {
        length += key.length + 4;
        add((value as Record<string, unknown>)[key]);
      }
    }
  }
  add(value);
  return length;
}
