import type { ParsedCronItem } from "graphile-worker";

const minuteMs = 60_000;
/** 15 days, so that each gap of a week lies in them as a whole, wherever it begins. */
const searchedMinutes = 15 * 24 * 60;
/** For what runs less often than once in those. */
const maxSearchedMinutes = 400 * 24 * 60;

/**
 * The longest time between two runs of a line of the crontab, in seconds: within the next two
 * weeks, or for what is rarer until it has come twice.
 */
export function longestGap(item: ParsedCronItem, from: Date): number {
  const start = Math.ceil(from.getTime() / minuteMs) * minuteMs;
  let last: number | null = null;
  let gap = 0;
  for (
    let minute = 0;
    minute < searchedMinutes || (gap === 0 && minute < maxSearchedMinutes);
    minute++
  ) {
    const time = new Date(start + minute * minuteMs);
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
  return (gap === 0 ? maxSearchedMinutes : gap) * 60;
}
