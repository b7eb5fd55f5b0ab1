import process from "node:process";
import { execute } from "./execute.ts";
import { graphql } from "./gql/gql.ts";

const { viewer } = await execute(graphql(`query Viewer { viewer { organizationSlug } }`));

const create = graphql(`
  mutation Create($prompt: PromptInput!) {
    createPrompt(input: { prompt: $prompt }) { prompt { id name createdAt extraMetadata formatType } }
  }
`);
const ids: string[] = [];
for (const number of [1, 2, 3]) {
  const { createPrompt } = await execute(create, {
    prompt: { name: `Greeting ${number}`, content: "Say hello" },
  });
  const prompt = createPrompt!.prompt!;
  // Scalars are what the configuration says
  const createdAt: string = prompt.createdAt;
  const metadata: unknown = prompt.extraMetadata;
  // @ts-expect-error: unknown is not any
  metadata.anything satisfies unknown;
  if (!createdAt.endsWith("+00:00")) throw new Error(createdAt);
  ids.push(prompt.id);
}
const one = await execute(graphql(`query One($id: String!) { prompt(id: $id) { name } }`), {
  id: ids[1]!,
});

const list = graphql(`
  query List($first: Int!, $after: Cursor) {
    prompts(first: $first, after: $after, orderBy: NAME_ASC) {
      nodes { name }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const page = (after: string | null) => execute(list, { first: 2, after });
const pages: string[][] = [];
let after: string | null = null;
do {
  const { prompts } = await page(after);
  pages.push(prompts!.nodes.map(({ name }) => name));
  after = prompts!.pageInfo.hasNextPage ? prompts!.pageInfo.endCursor : null;
} while (after !== null);

const error = await execute(list, { first: 1000 }).catch((error) => error);
console.log(JSON.stringify({
  slug: viewer?.organizationSlug,
  name: one.prompt?.name,
  pages,
  code: error.extensions.code,
}));
process.exit(0);
