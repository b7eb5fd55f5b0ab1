import process from "node:process";
import { parseArgs } from "node:util";
import { errorCode, withClient } from "../../src/database/open_client.ts";
import { fail } from "../../src/shared/process.ts";
import { acceptedMutants, checkAccepted } from "./accepted.ts";
import { chooseMutants } from "./choose_mutants.ts";
import { type ChooseTests, listBehaviourTests, readTestChoice } from "./choose_tests.ts";
import { listMutants } from "./list_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { type Failure, openTestRunner, type TestRunner } from "./open_test_runner.ts";
import { appendResult, readResults, type Result } from "./results.ts";

const usage = `Usage: deno task mutate [options]

Breaks the rules in SQL, one at a time, and runs the tests that should notice: policies, triggers,
constraints, and each condition of functions and views. Ends with 1 if a break goes unnoticed that
test/mutations/accepted.json does not explain.

  --only REGEX     only mutants with such a name: "policy .* on core.prompts"
  --sample N       so many of them, drawn by lot
  --seed TEXT      another lot; default 1
  --list           tells which mutants these are, and tries none
  --files N        tries at most so many test files on a mutant, the likeliest first; default 8
  --thorough       tries all test files that show behaviour
  --tests FILES    tries these test files only, with commas between them: quick, when one was changed
  --results FILE   appends results, as JSON lines, and skips mutants that are in there already
  --survivors      with --results: tries those again that survived
  --json           prints results as JSON lines`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      list: { type: "boolean", default: false },
      files: { type: "string", default: "8" },
      thorough: { type: "boolean", default: false },
      tests: { type: "string" },
      results: { type: "string" },
      survivors: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const sample = values.sample === undefined ? {} : { sample: readCount("sample", values.sample) };
  const limit = readCount("files", values.files);
  const runner = await openTestRunner();
  try {
    const mutants = await withClient(runner.url, listMutants);
    const wrong = checkAccepted(mutants);
    if (wrong.length > 0) throw new Error(wrong.join("\n"));
    const chosen = chooseMutants(mutants, {
      ...(values.only === undefined ? {} : { only: new RegExp(values.only) }),
      ...sample,
      seed: values.seed,
    });
    if (values.list) return console.log(chosen.map(({ name }) => name).join("\n"));
    const known = values.results === undefined ? new Map() : await readResults(values.results);
    const unfit = new Map<string, Failure>();
    const tests = values.tests?.split(",");
    const tryMutant = makeTryMutant(runner, {
      unfit,
      choose: tests ? () => tests : await withClient(runner.url, readTestChoice),
      limit: values.thorough ? Infinity : limit,
      known: tests ? new Map() : known,
    });
    const results: Result[] = [];
    for (const mutant of chosen) {
      const earlier = known.get(mutant.name);
      const isSkipped = earlier !== undefined &&
        !(values.survivors && earlier.outcome === "survived");
      const result = isSkipped ? earlier : await tryMutant(mutant);
      results.push(result);
      if (isSkipped) continue;
      if (values.results !== undefined) await appendResult(values.results, result);
      console.log(values.json ? JSON.stringify(result) : describe(result));
    }
    if (!values.json) console.log(summarize(results, mutants.length));
    const faults = [
      ...results.filter(isUnnoticed).map(({ name }) => `No test noticed: ${name}`),
      ...[...unfit].map(([file, { test, message }]) =>
        `${file} > ${test} fails although no rule is broken: ${message}`
      ),
    ];
    if (faults.length > 0) throw new Error(faults.join("\n"));
  } finally {
    await runner.close();
  }
}

function readCount(option: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`--${option} ${text}: not a number from 1`);
  }
  return count;
}

interface Trial {
  choose: ChooseTests;
  /** Of test files. */
  limit: number;
  /** Earlier results: what noticed one mutant of a rule often notices the next. */
  known: ReadonlyMap<string, Result>;
  /** Test files that fail although no rule is broken; they are left out, and told at the end. */
  unfit: Map<string, Failure>;
}

function makeTryMutant(
  runner: TestRunner,
  { choose, limit, known, unfit }: Trial,
): (mutant: Mutant) => Promise<Result> {
  const passing = new Set<string>();
  const behaviour = listBehaviourTests();
  const killers = new Map<string, string[]>();
  function noteKiller(name: string, file: string): void {
    for (const key of kinOf(name)) {
      killers.set(key, [file, ...(killers.get(key) ?? []).filter((other) => other !== file)]);
    }
  }
  for (const { name, file } of known.values()) if (file !== undefined) noteKiller(name, file);

  /** A test that fails on whole rules notices nothing. */
  async function passes(file: string): Promise<boolean> {
    if (passing.has(file)) return true;
    const failure = await runner.run(null, [file]);
    if (failure === null) passing.add(file);
    else unfit.set(file, failure);
    return failure === null;
  }

  function chooseFiles(mutant: Mutant): string[] {
    const [ofRule = [], ofName = []] = kinOf(mutant.name)
      .map((key) => killers.get(key)?.slice(0, 2) ?? []);
    const chosen = choose(mutant);
    const likely = new Set([...ofRule, ...chosen.slice(0, 1), ...ofName, ...chosen]);
    const files = limit === Infinity ? [...new Set([...likely, ...behaviour])] : [...likely];
    return files.filter((file) => behaviour.includes(file) && !unfit.has(file)).slice(0, limit);
  }

  return async function tryMutant(mutant): Promise<Result> {
    const { name, statement } = mutant;
    const start = performance.now();
    const seconds = () => Math.round((performance.now() - start) / 100) / 10;
    const files = chooseFiles(mutant);
    try {
      const failure = await runner.run(statement, files);
      if (failure === null) {
        return { name, outcome: "survived", files: files.length, seconds: seconds() };
      }
      if (!await passes(failure.file)) return await tryMutant(mutant);
      noteKiller(name, failure.file);
      return { name, outcome: "killed", ...failure, seconds: seconds() };
    } catch (error) {
      // Only PostgreSQL's own refusals have a SQLSTATE
      if (!/^[0-9A-Z]{5}$/.test(errorCode(error))) throw error;
      return { name, outcome: "refused", message: String(error), seconds: seconds() };
    }
  };
}

/**
 * What a mutant has in common with others that the same tests notice: the rule ("function app.f"), or
 * its name on other tables ("trigger _900_audit_insert").
 */
function kinOf(name: string): string[] {
  const [rule = name] = name.split(": ");
  return [...new Set([rule, rule.split(" ").slice(0, 2).join(" ")])];
}

function isUnnoticed({ name, outcome }: Result): boolean {
  return outcome === "survived" && acceptedMutants[name] === undefined;
}

function describe(result: Result): string {
  const { name, outcome, file, test, message, files, seconds } = result;
  if (isUnnoticed(result)) return `SURVIVED  ${name} (${files} files, ${seconds} s)`;
  if (outcome === "survived") return `accepted  ${name} (${acceptedMutants[name]})`;
  if (outcome === "refused") return `refused   ${name} (${message})`;
  return `killed    ${name} (${file} > ${test}, ${seconds} s)`;
}

function summarize(results: Result[], all: number): string {
  const count = (wanted: Result["outcome"]) =>
    results.filter(({ outcome }) => outcome === wanted).length;
  const unnoticed = results.filter(isUnnoticed).length;
  return `${results.length} of ${all} mutants: ${count("killed")} killed, ${unnoticed} survived, ` +
    `${count("survived") - unnoticed} accepted, ${count("refused")} refused by PostgreSQL`;
}

if (import.meta.main) await main().then(() => process.exit(0), fail);
