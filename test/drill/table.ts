/** One line of what was found. */
export interface Row {
  name: string;
  done: string;
  promise: string;
  seen: string;
  /** null: skipped. */
  kept: boolean | null;
}

const columns = [
  { title: "done", width: 38 },
  { title: "promised", width: 38 },
  { title: "seen", width: 64 },
  { title: "ok", width: 4 },
] as const;

/** A table for people: what was done, what was promised, what was seen. */
export function formatTable(rows: readonly Row[]): string {
  const line = columns.map(({ width }) => "-".repeat(width)).join("  ");
  return [
    formatCells(columns.map(({ title }) => title)),
    line,
    ...rows.map(({ name, done, promise, seen, kept }) =>
      formatCells([
        `${name}: ${done}`,
        promise,
        seen,
        kept === null ? "-" : kept ? "yes" : "NO",
      ])
    ),
  ].join("\n");
}

function formatCells(texts: readonly string[]): string {
  const cells = texts.map((text, n) => wrap(text, columns[n]?.width ?? 0));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from(
    { length: height },
    (_, n) =>
      cells.map((lines, c) => (lines[n] ?? "").padEnd(columns[c]?.width ?? 0)).join("  ").trimEnd(),
  ).join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? "";
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.flatMap((line) => line.match(new RegExp(`.{1,${width}}`, "g")) ?? [""]);
}
