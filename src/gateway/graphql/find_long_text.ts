/**
 * Which input field holds a text that is too long. PostgreSQL says only how long one may be
 * ("value too long for type character varying(255)"), so this looks among the variables of the
 * operation.
 *
 * @param longest how many characters fit
 * @returns null if none, or more than one name, comes into question
 */
export function findLongText(variables: unknown, longest: number): string | null {
  const names = new Set<string>();
  collect(variables, "", longest, names);
  const [name] = names;
  return names.size === 1 && name !== undefined ? name : null;
}

function collect(value: unknown, name: string, longest: number, names: Set<string>): void {
  if (typeof value === "string") {
    // Characters, as PostgreSQL counts them, and not UTF-16 units
    if (value.length > longest && [...value].length > longest) names.add(name);
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, name, longest, names);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) collect(item, key, longest, names);
  }
}
