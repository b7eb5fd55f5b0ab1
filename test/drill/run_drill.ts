import { makeRandom, pick } from "../helpers/random.ts";
import { endChecks } from "./end_checks.ts";
import { type Fault, formatMs, type Seen, type Time } from "./fault.ts";
import type { Installation } from "./installation.ts";
import type { Options } from "./read_options.ts";
import type { Row } from "./table.ts";
import { startTraffic } from "./traffic.ts";

/** A fault that takes longer hangs. */
const faultMs = 300_000;

/**
 * Does each chosen fault once and the random ones, while clients write and read; then looks whether
 * anything was lost. Prints each as it is over.
 */
export async function runDrill(installation: Installation, options: Options): Promise<Row[]> {
  const { chosen, seed, isLong, isStrict } = options;
  const during = chosen.filter(({ when }) => when === undefined);
  const plan = makePlan(during, options.count, seed);
  const traffic = startTraffic(installation, seed);
  const from = performance.now();
  /** In the order of `chosen`, each with all that was seen of it. */
  const seen = new Map<Fault, Seen[]>(chosen.map((fault) => [fault, []]));
  let attempts = 0;

  async function attempt(fault: Fault): Promise<void> {
    // Each has numbers of its own: one that uses more of them changes none after it
    const random = makeRandom(seed + ++attempts);
    const begun = performance.now();
    const found = judge(
      await look(() => fault.run(installation, { random, isLong })),
      isStrict,
    );
    seen.get(fault)?.push(found);
    const verdict = found.kept === null ? "-  " : found.kept ? "yes" : "NO ";
    const times = [begun - from, performance.now() - begun].map((ms) => formatMs(ms).padStart(7));
    console.log(`${verdict} ${times.join(" ")}  ${fault.name}: ${found.text}`);
  }
  const attemptAll = (time: Fault["when"]) =>
    Promise.all(chosen.filter(({ when }) => when === time).map(attempt));

  const beside = attemptAll("beside");
  for (const fault of [...during, ...plan]) await attempt(fault);
  await beside;
  await traffic.stop();
  await attemptAll("afterwards");

  const ends: Row[] = [];
  for (const check of endChecks) {
    const { text, kept } = judge(await look(() => check.look(installation)), isStrict);
    ends.push({ ...check, seen: text, kept });
  }
  return [...[...seen].map(([fault, found]) => summarize(fault, found)), ...ends];
}

/** Random faults, by their weights. */
function makePlan(among: readonly Fault[], count: number, seed: number): Fault[] {
  const random = makeRandom(seed);
  const tickets = among.flatMap((fault) => Array<Fault>(fault.weight).fill(fault));
  return tickets.length === 0 ? [] : Array.from({ length: count }, () => pick(random, tickets));
}

/** Whatever goes wrong is a promise that was not kept. */
async function look(work: () => Promise<Seen>): Promise<Seen> {
  const late = Promise.withResolvers<Seen>();
  const timer = setTimeout(
    () => late.resolve({ text: `not over after ${formatMs(faultMs)}`, kept: false }),
    faultMs,
  );
  try {
    return await Promise.race([work(), late.promise]);
  } catch (error) {
    return { text: error instanceof Error ? error.message : String(error), kept: false };
  } finally {
    clearTimeout(timer);
  }
}

/** With `--strict`, a time that is over its promise breaks it. */
function judge(found: Seen, isStrict: boolean): Seen {
  const isSlow = ({ ms, promisedMs }: Time) => ms > promisedMs;
  const slow = isStrict ? (found.times ?? []).filter(isSlow) : [];
  if (slow.length === 0) return found;
  return {
    ...found,
    kept: false,
    text: `${found.text}; too slow: ${slow.map(({ what }) => what)}`,
  };
}

/** The row of a fault: what was seen when it was broken first, else at last. */
function summarize({ name, done, promise }: Fault, found: readonly Seen[]): Row {
  const broken = found.filter(({ kept }) => kept === false);
  const shown = broken[0] ?? found.at(-1);
  const times = found.length === 1 ? "" : `${found.length} times, ${broken.length} broken; last: `;
  return {
    name,
    done,
    promise,
    seen: `${times}${shown?.text ?? "nothing"}`,
    kept: broken.length > 0 ? false : shown?.kept ?? null,
  };
}
