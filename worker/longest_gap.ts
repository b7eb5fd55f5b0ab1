import type { ParsedCronItem } from "graphile-worker";

const MINUTE = 60_000;
/** So that each gap of a week lies in it as a whole, wherever it begins. */
const TWO_WEEKS = 15 * 24 * 60;
const LONGEST = 400 * 24 * 60;

/**
 * The longest time between two runs of a line of the crontab, in seconds: within the next two
 * weeks, or for what is rarer until it has come twice.
 */
export function longestGap(item: ParsedCronItem, from: Date): number {
  const start = Math.ceil(from.getTime() / MINUTE) * MINUTE;
  let last: number | null = null;
  let gap = 0;
  for (let minute = 0; minute < TWO_WEEKS || (gap === 0 && minute < LONGEST); minute++) {
    const time = new Date(start + minute * MINUTE);
    const matches = item.match({
      min: time.getUTCMinutes(),
      hour: time.getUTCHours(),
      date: time.getUTCDate(),
      month: time.getUTCMonth() + 1,
      dow: time.getUTCDay(),
    });
    if (!matches) continue;
    if (last !== null) gap = Math.max(gap, minute - last);
    last = minute;
  }
  return (gap === 0 ? LONGEST : gap) * 60;
}
