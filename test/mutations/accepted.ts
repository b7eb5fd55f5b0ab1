import accepted from "./accepted.json" with { type: "json" };
import type { Mutant } from "./mutant.ts";

/** Mutants that may survive, with the reason why nobody would notice them. */
export const acceptedMutants: Readonly<Record<string, string>> = accepted;

/**
 * Whether the list of accepted mutants still fits the rules.
 *
 * @returns what is wrong with it, in sentences
 */
export function checkAccepted(mutants: Mutant[]): string[] {
  const names = new Set(mutants.map(({ name }) => name));
  return Object.keys(acceptedMutants).filter((name) => !names.has(name))
    .map((name) => `test/mutations/accepted.json accepts what is no mutant (any more): ${name}`);
}
