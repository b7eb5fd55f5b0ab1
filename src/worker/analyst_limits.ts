import type { Settings } from "../shared/settings.ts";
import type { WorkerTimes } from "./task.ts";

/** How long analysts may stop others, as the settings say. */
export function analystLimits(settings: Settings): Partial<WorkerTimes> {
  const { analystStatementLimitMs, analystIdleLimitMs } = settings;
  return { analystStatementLimitMs, analystIdleLimitMs };
}
