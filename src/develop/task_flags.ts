import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../shared/settings.ts";

/** The name of the task that runs a module, `src/bin/NAME.ts`; null for other modules. */
export function taskOf(module: string): string | null {
  return /^src\/bin\/(\w+)\.ts$/.exec(module)?.[1] ?? null;
}

/** The tasks of deno.json: commands by name. */
export function readTasks(): Map<string, string> {
  const { tasks }: { tasks: Record<string, string | { command: string }> } = JSON.parse(
    readFileSync(join(repositoryRoot, "deno.json"), "utf8"),
  );
  return new Map(
    Object.entries(tasks).map(([name, task]) => [
      name,
      typeof task === "string" ? task : task.command,
    ]),
  );
}

/**
 * What a task of deno.json gives to Deno, before the name of its module: `run --no-prompt --allow-…`.
 *
 * @throws {Error} if the task does not run one module of ours
 */
export function taskFlags(task: string): string[] {
  const [deno, ...words] = (readTasks().get(task) ?? "").split(" ");
  const module = words.findIndex((word) => word.endsWith(".ts"));
  if (deno !== "deno" || module < 0) throw new Error(`The task ${task} runs no module`);
  return words.slice(0, module);
}
