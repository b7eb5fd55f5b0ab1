import type { Settings } from "./settings.ts";

/**
 * Gives up the permission to start programs, for good, where the settings leave nothing to start: with
 * a PostgreSQL of one's own, and without a checkpoint command.
 */
export async function giveUpPrograms(settings: Settings): Promise<void> {
  if (settings.databaseUrl === null || settings.checkpointCommand !== null) return;
  await Deno.permissions.revoke({ name: "run" });
}
