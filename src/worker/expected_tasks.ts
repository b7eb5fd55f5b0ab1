import type { ParsedCronItem } from "graphile-worker";
import { longestGap } from "./longest_gap.ts";
import type { Poll } from "./task.ts";
import { type ExpectedTask, pollNoteIntervalSeconds } from "./task_record.ts";

/** The tasks that run by themselves, and how long each may take until it runs again. */
export function expectedTasks(
  crontab: readonly ParsedCronItem[],
  polls: ReadonlyMap<string, Poll>,
): ExpectedTask[] {
  const now = new Date();
  const seconds = new Map<string, number>();
  for (const item of crontab) {
    const gap = longestGap(item, now);
    seconds.set(item.task, Math.min(gap, seconds.get(item.task) ?? gap));
  }
  return [
    ...[...seconds].map(([task, seconds]) => ({ kind: "schedule" as const, task, seconds })),
    ...[...polls].map(([task, { intervalMs }]) => ({
      kind: "poll" as const,
      task,
      seconds: pollNoteIntervalSeconds + Math.ceil(intervalMs / 1000),
    })),
  ];
}
