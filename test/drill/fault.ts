import type { Random } from "../helpers/random.ts";
import type { Installation } from "./installation.ts";

/** Something that is done to a running installation, and what was promised for that case. */
export interface Fault {
  /** For `--only`. */
  name: string;
  /** What is done. */
  done: string;
  promise: string;
  /** How often it is among the random ones, compared with the others; 0: never. */
  weight: number;
  /** Default: one after the other. `beside` these, or `afterwards`, when nobody writes any more. */
  when?: "beside" | "afterwards";
  /** Not in the short form: it takes long. */
  isLongOnly?: boolean;
  /** Does it, looks, and leaves the installation as it should be. */
  run(installation: Installation, how: How): Promise<Seen>;
}

/** How a fault is done. */
export interface How {
  random: Random;
  /** In the long form there is more of everything. */
  isLong: boolean;
}

/** What was seen. */
export interface Seen {
  text: string;
  /** Whether the promise was kept; null: it could not be tried here. */
  kept: boolean | null;
  /** Judged with `--strict` alone: a busy machine takes many times as long as a quiet one. */
  times?: readonly Time[];
}

/** A time for which there is a promise. */
export interface Time {
  what: string;
  ms: number;
  promisedMs: number;
}

/** What cannot be tried on this machine. */
export function skipped(reason: string): Seen {
  return { text: `skipped: ${reason}`, kept: null };
}

/** A time for people. */
export function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
