import type { WriteFile } from "./write_file.ts";

/** JSON Lines: the rows are lines of it already. */
export function writeJsonLines(): WriteFile {
  return {
    mediaType: "application/jsonl;charset=utf-8",
    start: () => [],
    add: ({ rows }) => rows.length === 0 ? [] : [`${rows.map(([line]) => line).join("\n")}\n`],
    end: () => [],
  };
}
