import process from "node:process";
import { parseArgs } from "node:util";
import type { Fault } from "./fault.ts";
import { faults } from "./faults/all.ts";

const usage = `Usage: deno task drill [OPTION …]

Does faults and attacks to a running installation of its own, while clients write and read: each once,
then random ones. Prints what was done, what was promised, and what was seen; exit code 1 if a promise
was broken.

  --short      a minute or two, for a check of every change
  --faults N   how many random ones (default: 200, with --short 20)
  --seed N     repeats a plan, though not its moments
  --only NAME  this one only, once and at random
  --strict     judge times, too: on a quiet machine
  --json FILE  writes the table`;

/** What the user wants. */
export interface Options {
  isLong: boolean;
  isStrict: boolean;
  /** Random faults. */
  count: number;
  seed: number;
  /** A file for the table. */
  json: string | null;
  /** What is done once, and may come at random. */
  chosen: readonly Fault[];
}

/**
 * Reads the arguments of the command line; `--help` ends the process.
 *
 * @throws {Error} that says what is wrong with them
 */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      short: { type: "boolean", default: false },
      strict: { type: "boolean", default: false },
      faults: { type: "string" },
      seed: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    const list = faults.map(({ name, done }) => `  ${name}: ${done}`).join("\n");
    console.log(`${usage}\n\n${list}`);
    process.exit(0);
  }
  function readNumber(name: "faults" | "seed", fallback: number): number {
    const text = values[name];
    if (text === undefined) return fallback;
    if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name}: "${text}" is no whole number`);
    return Number(text);
  }
  const chosen = faults.filter(({ name, isLongOnly = false }) =>
    values.only === undefined ? !(values.short && isLongOnly) : values.only === name
  );
  if (chosen.length === 0) throw new Error(`There is no fault ${values.only}\n\n${usage}`);
  const usual = values.only !== undefined ? 0 : values.short ? 20 : 200;
  return {
    isLong: !values.short,
    isStrict: values.strict,
    count: readNumber("faults", usual),
    seed: readNumber("seed", Math.floor(Math.random() * 1e9)),
    json: values.json ?? null,
    chosen,
  };
}
