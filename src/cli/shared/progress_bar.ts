import process from "node:process";
import cliProgress from "cli-progress";

/** A bar on the terminal that shows how far something has come. */
export interface ProgressBar {
  /** @param payload values of the format's other placeholders */
  update(value: number, payload?: Record<string, number>): void;
  /** Can be called again. */
  stop(): void;
}

/**
 * Shows a progress bar on the terminal; nothing where there is no terminal.
 *
 * @param format what it shows, with the placeholders of cli-progress
 * @param total the value at the end
 */
export function showProgressBar(
  format: string,
  total: number,
  payload: Record<string, number> = {},
): ProgressBar {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const bar = new cliProgress.SingleBar({
    format,
    stream: process.stderr,
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  }, cliProgress.Presets.shades_classic);
  bar.start(total, 0, payload);
  return {
    update: (value, payload = {}) => bar.update(value, payload),
    stop: () => bar.stop(),
  };
}
