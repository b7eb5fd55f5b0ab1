import { join } from "node:path";
import { readCheckpointKey } from "../shared/read_jwt_keys.ts";
import type { Settings } from "../shared/settings.ts";
import { type CheckpointOptions, type Checkpoints, makeCheckpoints } from "./checkpoints.ts";

/** Where the checkpoints of the audit log are, and what signs them. */
export async function readCheckpointOptions(settings: Settings): Promise<CheckpointOptions> {
  return {
    key: { ...await readCheckpointKey(settings) },
    file: join(settings.dataDir, "audit-checkpoints"),
    command: settings.checkpointCommand ?? undefined,
  };
}

/** The writer of checkpoints, as the settings have it. */
export async function readCheckpoints(settings: Settings): Promise<Checkpoints> {
  return makeCheckpoints(await readCheckpointOptions(settings));
}
