import process from "node:process";
import { cacheExchange, Client, fetchExchange } from "@urql/core";
import { graphql } from "./graphql.ts";

const client = new Client({
  url: "http://127.0.0.1:5678/graphql",
  exchanges: [cacheExchange, fetchExchange],
  fetchOptions: () => ({ headers: { authorization: `Bearer ${process.env["CURESTRY_KEY"]}` } }),
});

const viewer = await client.query(graphql(`{ viewer { organizationSlug } }`), {}).toPromise();

const create = graphql(`
  mutation Create($prompt: PromptInput!) {
    createPrompt(input: { prompt: $prompt }) { prompt { id createdAt extraMetadata formatType } }
  }
`);
const ids: string[] = [];
for (const number of [1, 2, 3]) {
  const { data } = await client.mutation(create, {
    prompt: { name: `Greeting ${number}`, content: "Say hello" },
  }).toPromise();
  const prompt = data!.createPrompt!.prompt!;
  // Scalars are what the configuration says
  const createdAt: string = prompt.createdAt;
  const metadata: unknown = prompt.extraMetadata;
  // @ts-expect-error: a word that the enum does not have
  const isOther = prompt.formatType === "other";
  if (!createdAt.endsWith("+00:00") || isOther || metadata === null) throw new Error(createdAt);
  ids.push(prompt.id);
}
const one = await client.query(graphql(`query One($id: String!) { prompt(id: $id) { name } }`), {
  id: ids[1]!,
}).toPromise();

const list = graphql(`
  query List($first: Int!, $after: Cursor) {
    prompts(first: $first, after: $after, orderBy: NAME_ASC) {
      nodes { name }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const pages: string[][] = [];
let after: string | null = null;
do {
  const { data } = await client.query(list, { first: 2, after }).toPromise();
  pages.push(data!.prompts!.nodes.map(({ name }) => name));
  after = data!.prompts!.pageInfo.hasNextPage ? data!.prompts!.pageInfo.endCursor : null;
} while (after !== null);

const refused = await client.query(list, { first: 1000 }).toPromise();
console.log(JSON.stringify({
  slug: viewer.data?.viewer?.organizationSlug,
  name: one.data?.prompt?.name,
  pages,
  code: refused.error?.graphQLErrors[0]?.extensions["code"],
}));
process.exit(0);
