import process from "node:process";

/** `send_flood.ts URL KEY KIND SIZE`: sends so many requests at once, and prints what came back. */

interface Operation {
  query: string;
  variables?: Record<string, unknown>;
}

const repeat = (count: number, make: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => make(n)).join(" ");
const runsOf = (fields: string, ...pages: number[]): string =>
  pages.reduceRight(
    (inner, first) => `analysisRuns(first: ${first}) { nodes { prompt { ${inner} } } }`,
    fields,
  );

/** What is sent, and how: each request is a document that the gateway does not know yet. */
const floods: Record<string, (n: number) => Operation> = {
  "lists below lists, refused": () => ({ query: `{ ${runsOf("id", 10, 100, 100, 100)} }` }),
  "lists below lists, allowed": (n) => ({
    query: `{ a${n}: ${
      runsOf("name content analysisRuns(first: 100) { nodes { id status } }", 10, 40)
    } }`,
  }),
  "40,000 alternatives": () => ({
    query: "query ($filter: PromptFilter) { prompts(filter: $filter) { totalCount } }",
    variables: {
      filter: { or: Array.from({ length: 40_000 }, (_, n) => ({ name: { equalTo: `x${n}` } })) },
    },
  }),
  "documents of 1,800 fields": (n) => ({
    query: `{ ${
      repeat(28, (m) =>
        `a${n}x${m}: prompts(first: 1) { nodes { ${
          repeat(16, () => "id name tags createdAt")
        } } }`)
    } }`,
  }),
  "documents of 90 pages": (n) => ({
    query: `{ ${
      repeat(30, (m) =>
        `a${n}x${m}: prompts(first: 1, offset: ${m}) { totalCount nodes { id analysisRuns(first: 1) {
        totalCount nodes { id nodeResults: analysisNodeResults(first: 1) { nodes { score } } } } } }`)
    } }`,
  }),
  "30 series of a year by the hour": (n) => ({
    query: `{ ${
      repeat(30, (m) =>
        `a${n}x${m}: metricSeries(key: "latency", from: "2025-01-01", to: "2025-02-15", bucket: HOUR,
        fill: ZERO) { bucketStart count }`)
    } }`,
  }),
  "introspection": (n) => ({
    query:
      `{ a${n}: __schema { types { name description fields { name description args { name description
      type { name kind ofType { name kind } } } type { name kind ofType { name kind } } } } } }`,
  }),
};

/** Their names. */
export const floodKinds: readonly string[] = Object.keys(floods);

async function main(): Promise<void> {
  const [url = "", key = "", kind = "", size = "1"] = process.argv.slice(2);
  const make = floods[kind];
  if (make === undefined) throw new Error(`There is no flood ${kind}`);
  const salt = Math.floor(Math.random() * 1e9);
  const answers = await Promise.all(
    Array.from({ length: Number(size) }, async (_, n) => {
      const answer = await fetch(`${url}/graphql`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(make(salt + n)),
      });
      const { errors } = await answer.json();
      return `${answer.status} ${errors?.[0]?.extensions?.code ?? ""}`.trim();
    }),
  );
  const counts = Map.groupBy(answers, (answer) => answer);
  const text = [...counts].map(([answer, { length }]) => `${length} × ${answer}`).join(", ");
  console.log(`  (${size} × ${kind}: ${text})`);
}

if (import.meta.main) await main();
