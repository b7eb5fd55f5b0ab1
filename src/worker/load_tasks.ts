import { readdir } from "node:fs/promises";
import type { MakeTask, Task, TaskContext } from "./task.ts";

const tasksFolder = new URL("../../worker/tasks/", import.meta.url);

/** Makes every task of worker/tasks, by name. */
export async function loadTasks(context: TaskContext): Promise<Map<string, Task>> {
  const files = (await readdir(tasksFolder)).filter((file) => file.endsWith(".ts")).toSorted();
  return new Map(
    await Promise.all(files.map(async (file): Promise<[string, Task]> => {
      const { default: makeTask }: { default: MakeTask } = await import(
        new URL(file, tasksFolder).href
      );
      return [file.replace(/\.ts$/, ""), makeTask(context)];
    })),
  );
}
