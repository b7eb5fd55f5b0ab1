import { showProgressBar } from "../shared/progress_bar.ts";
import type { ImportSummary } from "./import_records.ts";

/** How far an import has come, for people. */
export interface Progress {
  update(summary: ImportSummary, bytes: number): void;
  stop(): void;
}

/**
 * Shows on the terminal how far an import has come; nothing where there is no terminal.
 *
 * @param size in bytes, null if unknown
 */
export function showProgress(size: number | null): Progress {
  const known = "{bar} {percentage}%  {read} read, {refused} refused, {eta_formatted} left";
  const bar = showProgressBar(
    size === null ? "{read} read, {refused} refused" : known,
    size ?? 1,
    { read: 0, refused: 0 },
  );
  return {
    update({ read, refused }, bytes) {
      bar.update(size === null ? 0 : bytes, { read, refused: refused.length });
    },
    stop: bar.stop,
  };
}
