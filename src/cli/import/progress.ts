import process from "node:process";
import cliProgress from "cli-progress";
import type { ImportSummary } from "./import_records.ts";

/** A progress bar. */
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
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const known = "{bar} {percentage}%  {read} read, {refused} refused, {eta_formatted} left";
  const bar = new cliProgress.SingleBar({
    format: size === null ? "{read} read, {refused} refused" : known,
    stream: process.stderr,
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  }, cliProgress.Presets.shades_classic);
  bar.start(size ?? 1, 0, { read: 0, refused: 0 });
  return {
    update({ read, refused }, bytes) {
      bar.update(size === null ? 0 : bytes, { read, refused: refused.length });
    },
    stop() {
      bar.stop();
    },
  };
}
