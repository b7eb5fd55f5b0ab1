import { createHash } from "node:crypto";
import type { Mutant } from "./mutant.ts";

/** Which mutants to try. */
export interface MutantChoice {
  /** Part of the name. */
  only?: RegExp;
  /** At most so many, drawn by lot. */
  sample?: number;
  /** Which lot. */
  seed: string;
}

/**
 * Chooses mutants. The lot depends on name and seed alone: a rule that is added or changed leaves the
 * rest of a sample as it was.
 */
export function chooseMutants(mutants: Mutant[], { only, sample, seed }: MutantChoice): Mutant[] {
  const matching = mutants.filter(({ name }) => only === undefined || only.test(name));
  if (sample === undefined) return matching;
  const lot = ({ name }: Mutant) => createHash("sha256").update(`${seed}\n${name}`).digest("hex");
  return matching.map((mutant) => ({ mutant, lot: lot(mutant) }))
    .toSorted((a, b) => a.lot < b.lot ? -1 : 1)
    .slice(0, sample).map(({ mutant }) => mutant);
}
