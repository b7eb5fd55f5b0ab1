/** Texts one after the other. */
export function repeat(count: number, make: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => make(index)).join(" ");
}

const nested = (levels: number, first: string): string =>
  levels === 0
    ? "id"
    : `prompt { analysisRuns(first: ${first}) { nodes { ${nested(levels - 1, first)} } } }`;
/** As generators ask for it. */
const typeOf = "name type { kind name ofType { kind name ofType { kind name ofType { name } } } }";
const alternatives = (count: number) =>
  Array.from({ length: count }, (_, n) => ({ name: { equalTo: `prompt ${n}` } }));
const series =
  `metricSeries(key: "x", from: "2025-01-01", to: "2026-12-01", bucket: HOUR, fill: ZERO)`;

/** A small request that is much work for who answers it: what it is, its document, its variables. */
export type RequestBomb = [name: string, query: string, variables?: Record<string, unknown>];

/** What costs too much. */
export const costlyOperations: readonly RequestBomb[] = [
  ["lists below lists", `{ analysisRuns(first: 10) { nodes { ${nested(3, "100")} } } }`],
  [
    "lists below lists, by a variable",
    `query ($n: Int) { analysisRuns(first: $n) { nodes { ${nested(3, "$n")} } } }`,
    { n: 100 },
  ],
  [
    "lists below lists, by the default of a variable",
    `query ($n: Int = 100) { analysisRuns(first: $n) { nodes { ${nested(3, "$n")} } } }`,
  ],
  [
    "lists below lists, from behind",
    `{ analysisRuns(last: 100) { nodes { ${nested(2, "100").replaceAll("first", "last")} } } }`,
  ],
  [
    "lists below lists that say no size",
    "{ prompts { nodes { analysisRuns { nodes { judgeScores { nodes { id } } } } } } }",
  ],
  [
    "lists below lists, as edges",
    "{ prompts { edges { node { analysisRuns { edges { node { judgeScores { edges { node { id } } } } } } } } } }",
  ],
  [
    "lists below lists, in fragments",
    `{ ...A } fragment A on Query { prompts { nodes { ...B } } }
       fragment B on Prompt { analysisRuns { nodes { ... on AnalysisRun { judgeScores { nodes { id } } } } } }`,
  ],
  [
    "counts below lists below lists",
    `{ prompts { nodes { analysisRuns { nodes { ${
      repeat(5, (n) => `a${n}: judgeScores { totalCount }`)
    } } } } } }`,
  ],
  [
    "one list under many names",
    `{ prompts { nodes { ${repeat(20, (n) => `a${n}: analysisRuns { nodes { id } }`)} } } }`,
  ],
  [
    "what a mutation answers",
    `mutation { createPrompt(input: { prompt: { name: "costly", content: "x" } }) {
         prompt { ${nested(3, "100").slice("prompt { ".length, -2)} } } }`,
  ],
  ["a series under many names", `{ ${repeat(30, (n) => `a${n}: ${series} { mean }`)} }`],
  [
    "the whole schema under many names",
    `{ ${
      repeat(
        15,
        (n) =>
          `a${n}: __schema { types { fields { type { fields { ${typeOf} args { name } } } } } }`,
      )
    } }`,
  ],
];

/** What has too many values in its arguments. */
export const wideInputs: readonly RequestBomb[] = [
  [
    "alternatives of a filter",
    "query ($f: PromptFilter) { prompts(filter: $f) { totalCount } }",
    { f: { or: alternatives(40_000) } },
  ],
  [
    "fewer alternatives, each of which is a step to plan",
    "query ($f: PromptFilter) { prompts(filter: $f) { totalCount } }",
    { f: { or: alternatives(600) } },
  ],
  [
    "alternatives of several uses of one variable",
    `query ($f: [PromptFilter!]) { ${
      repeat(10, (n) => `a${n}: prompts(filter: { or: $f }) { totalCount }`)
    } }`,
    { f: alternatives(60) },
  ],
  [
    "a list of values",
    "query ($f: PromptFilter) { prompts(filter: $f) { totalCount } }",
    { f: { name: { in: Array.from({ length: 20_000 }, (_, n) => `prompt ${n}`) } } },
  ],
  [
    "variables that nothing uses",
    "query ($f: PromptFilter) { viewer { userId } prompts(filter: $f) { totalCount } }",
    { more: Array.from({ length: 20_000 }, () => 1) },
  ],
  [
    "literals",
    `{ prompts(filter: { or: [${
      repeat(900, (n) => `{ name: { equalTo: "prompt ${n}" } }`)
    }] }) { totalCount } }`,
    {},
  ],
];
