import { readFile } from "node:fs/promises";
import { compactVerify, importJWK } from "jose";
import {
  type AcceptedRestore,
  acceptedRestoreType,
  type CheckpointOptions,
  checkpointType,
  cutType,
  type NamedSeal,
} from "./checkpoints.ts";

/** A line of the file of checkpoints. */
export interface Checkpoint extends NamedSeal {
  /** Its number in the file. */
  line: number;
  /** When it was written; null for a head that an accepted restore names. */
  at: string | null;
}

/** What the file of checkpoints says. */
export interface CheckpointFile {
  /** Whether there is one. */
  exists: boolean;
  /** What the database has to have; without the seals that an accepted restore lost. */
  checkpoints: Checkpoint[];
  /** The heads that operators accepted after restores. */
  accepted: Checkpoint[];
  /** Where its writer found it cut, since the last accepted restore. */
  cuts: { line: number; at: string }[];
  /** The numbers of lines that our key did not sign. */
  foreignLines: number[];
}

/** Reads what was written down outside of the database, and checks the signature of each line. */
export async function readCheckpointFile(
  { file, key }: CheckpointOptions,
): Promise<CheckpointFile> {
  const text = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  const { d: _, ...publicPart } = key;
  const verifier = await importJWK(publicPart, "EdDSA");
  const foreignLines: number[] = [];
  let accepted: Checkpoint[] = [];
  let cuts: CheckpointFile["cuts"] = [];
  let checkpoints: Checkpoint[] = [];
  for (const [n, content] of (text ?? "").split("\n").entries()) {
    if (content === "") continue;
    const line = n + 1;
    try {
      const { payload, protectedHeader } = await compactVerify(content, verifier, {
        algorithms: ["EdDSA"],
      });
      const said = JSON.parse(new TextDecoder().decode(payload));
      if (protectedHeader.typ === checkpointType) {
        const { organization, seq, hash, at } = said as Checkpoint;
        checkpoints.push({ line, organization, seq, hash, at });
      } else if (protectedHeader.typ === acceptedRestoreType) {
        // What was written before it, and is in its list, is lost; nothing else, and nothing after it
        const { heads, lost } = said as AcceptedRestore;
        const gone = new Set(lost.map(nameOf));
        checkpoints = checkpoints.filter((checkpoint) => !gone.has(nameOf(checkpoint)));
        accepted = accepted.filter((head) => !gone.has(nameOf(head)));
        cuts = [];
        accepted.push(...heads.map((head) => ({ ...head, line, at: null })));
      } else if (protectedHeader.typ === cutType) cuts.push({ line, at: said.at });
      else foreignLines.push(line);
    } catch {
      foreignLines.push(line);
    }
  }
  return { exists: text !== null, checkpoints, accepted, cuts, foreignLines };
}

function nameOf({ organization, seq, hash }: NamedSeal): string {
  return `${organization} ${seq} ${hash}`;
}
