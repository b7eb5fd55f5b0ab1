import process from "node:process";
import { CombinedGraphQLErrors, gql } from "@apollo/client";
import { client } from "./client.ts";

const viewer = await client.query<any>({ query: gql`{ viewer { organizationSlug permissions } }` });

const ids: string[] = [];
for (const number of [1, 2, 3]) {
  const { data } = await client.mutate<any>({
    mutation: gql`
      mutation ($prompt: PromptInput!) {
        createPrompt(input: { prompt: $prompt }) { prompt { id name } }
      }
    `,
    variables: { prompt: { name: `Greeting ${number}`, content: "Say hello" } },
  });
  ids.push(data.createPrompt.prompt.id);
}
const one = await client.query<any>({
  query: gql`query ($id: String!) { prompt(id: $id) { id name } }`,
  variables: { id: ids[1] },
});

const LIST = gql`
  query ($first: Int!, $after: Cursor) {
    prompts(first: $first, after: $after, orderBy: NAME_ASC) {
      edges { cursor node { id name } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const list = client.watchQuery<any>({ query: LIST, variables: { first: 2 } });
const names = () =>
  (list.getCurrentResult().data as any).prompts.edges.map(({ node }: any) => node.name);
let subscription: { unsubscribe(): void };
await new Promise<void>((resolve) => {
  subscription = list.subscribe(({ loading }) => void (loading || resolve()));
});
const first = names();
const { endCursor } = (list.getCurrentResult().data as any).prompts.pageInfo;
const more = await list.fetchMore({ variables: { after: endCursor } });
const pages = [first, more.data!.prompts.edges.map(({ node }: any) => node.name)];

// What a mutation answers changes the row in the cache, and each list that shows it
await client.mutate({
  mutation: gql`
    mutation ($id: String!, $patch: PromptPatch!) {
      updatePrompt(input: { id: $id, patch: $patch }) { prompt { id name } }
    }
  `,
  variables: { id: ids[2], patch: { name: "Renamed" } },
});
const renamed = names();
subscription!.unsubscribe();

const error = await client
  .query({ query: LIST, variables: { first: 1000 }, fetchPolicy: "network-only" })
  .catch((error) => error);
console.log(JSON.stringify({
  slug: viewer.data.viewer.organizationSlug,
  name: one.data.prompt.name,
  pages,
  code: CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.["code"],
  renamed,
  cached: Object.keys(client.cache.extract() as object).filter((id) =>
    id.startsWith("Prompt:")
  ).length,
}));
process.exit(0);
