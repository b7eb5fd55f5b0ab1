import { join } from "node:path";
import {
  type CheckpointOptions,
  type Checkpoints,
  makeCheckpoints,
} from "../worker/checkpoints.ts";
import { readCheckpointKey } from "./database/secrets.ts";
import type { Settings } from "./settings.ts";

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
