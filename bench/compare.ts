/** Something that is measured. */
export interface Benchmark {
  name: string;
  description: string;
  /**
   * @param options.adminUrl of a database of its own, migrated and empty
   * @param options.small for a quick run
   */
  run(options: { adminUrl: string; small: boolean }): Promise<Comparison[]>;
}

/** Two ways to do one thing, measured in turns. */
export interface Comparison {
  what: string;
  ours: Measured;
  other: Measured;
  /** Median of ours by median of the other. */
  ratio: number;
  /** Of what was measured; milliseconds by default. */
  unit?: string;
  /** What the ratio should not exceed. */
  limit?: number;
}

/** One way to do a thing. */
export interface Measured {
  name: string;
  /** Median time, in milliseconds. */
  ms: number;
}

/** A way to do a thing, by name. */
export interface Candidate {
  name: string;
  work(): Promise<unknown>;
  /** Before each round, not measured. */
  prepare?(): Promise<unknown>;
  /** After each round, not measured. */
  after?(): Promise<unknown>;
}

/**
 * Runs two candidates in turns, so that whatever else the machine does hits both alike.
 *
 * @param options.rounds of each, after a tenth as many that do not count
 * @param options.clock what is measured, in milliseconds; default: the time
 */
export async function compare(
  what: string,
  ours: Candidate,
  other: Candidate,
  options: { rounds: number; limit?: number; clock?: () => Promise<number> },
): Promise<Comparison> {
  const clock = options.clock ?? (() => Promise.resolve(performance.now()));
  const times: [number[], number[]] = [[], []];
  for (let round = -Math.ceil(options.rounds / 10); round < options.rounds; round++) {
    for (const [n, candidate] of [ours, other].entries()) {
      await candidate.prepare?.();
      const start = await clock();
      await candidate.work();
      const taken = await clock() - start;
      if (round >= 0) times[n]?.push(taken);
      await candidate.after?.();
    }
  }
  const [mine, theirs] = [median(times[0]), median(times[1])];
  return {
    what,
    ours: { name: ours.name, ms: mine },
    other: { name: other.name, ms: theirs },
    ratio: mine / theirs,
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  };
}

/** The middle one. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
