import process from "node:process";
import { gql } from "@urql/core";
const methods: string[] = [];
const { fetch } = globalThis;
globalThis.fetch = (input, init) => {
  methods.push(init?.method ?? "GET");
  return fetch(input, init);
};
const { client } = await import("./client.ts");

const viewer = await client.query(gql`{ viewer { organizationSlug } }`, {}).toPromise();

const CREATE = gql`
  mutation ($prompt: PromptInput!) {
    createPrompt(input: { prompt: $prompt }) { prompt { id name } }
  }
`;
const LIST = gql`
  query ($first: Int!, $after: Cursor) {
    prompts(first: $first, after: $after, orderBy: NAME_ASC) {
      totalCount
      nodes { id name }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
let before = 0;
const ids: string[] = [];
for (const number of [1, 2, 3]) {
  const made = await client.mutation(CREATE, {
    prompt: { name: `Greeting ${number}`, content: "Say hello" },
  }).toPromise();
  ids.push(made.data.createPrompt.prompt.id);
  // Remembered, until a mutation answers a prompt
  const list = await client.query(LIST, { first: 2 }).toPromise();
  if (number === 1) before = list.data.prompts.totalCount;
}
const one = await client.query(gql`query ($id: String!) { prompt(id: $id) { name } }`, {
  id: ids[1],
}).toPromise();

const pages: string[][] = [];
let after: string | null = null;
let count = 0;
do {
  const { data }: { data?: any } = await client.query(LIST, { first: 2, after: after ?? undefined })
    .toPromise();
  count = data.prompts.totalCount;
  pages.push(data.prompts.nodes.map(({ name }: { name: string }) => name));
  after = data.prompts.pageInfo.hasNextPage ? data.prompts.pageInfo.endCursor : null;
} while (after !== null);

const refused = await client.query(LIST, { first: 1000 }).toPromise();
console.log(JSON.stringify({
  slug: viewer.data.viewer.organizationSlug,
  name: one.data.prompt.name,
  pages,
  code: refused.error?.graphQLErrors[0]?.extensions["code"],
  counts: [before, count],
  methods: [...new Set(methods)].sort(),
}));
process.exit(0);
