import process from "node:process";
import relay from "relay-runtime";
import { environment } from "../environment.ts";
import createMutation from "./__generated__/relayCreateMutation.graphql.ts";
import listFragment from "./__generated__/relay_list.graphql.ts";
import listQuery from "./__generated__/relayListQuery.graphql.ts";
import nextQuery from "./__generated__/relayNextQuery.graphql.ts";
import oneQuery from "./__generated__/relayOneQuery.graphql.ts";
import renameMutation from "./__generated__/relayRenameMutation.graphql.ts";
import viewerQuery from "./__generated__/relayViewerQuery.graphql.ts";

// The compiler reads these; a bundler's plugin would put the imports above in their place
const graphql = (_: TemplateStringsArray) => {};
graphql`query relayViewerQuery { viewer { organizationSlug } }`;
graphql`mutation relayCreateMutation($prompt: PromptInput!) {
  createPrompt(input: { prompt: $prompt }) { prompt { id name } }
}`;
graphql`mutation relayRenameMutation($id: String!, $patch: PromptPatch!) {
  updatePrompt(input: { id: $id, patch: $patch }) { prompt { name } }
}`;
graphql`query relayOneQuery($nodeId: ID!) { node(nodeId: $nodeId) { ... on Prompt { name } } }`;
graphql`fragment relay_list on Query
  @refetchable(queryName: "relayNextQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 2 }, after: { type: "Cursor" }) {
  prompts(first: $first, after: $after, orderBy: [NAME_ASC]) @connection(key: "relay_prompts") {
    edges { node { name } }
  }
}`;
graphql`query relayListQuery { ...relay_list }`;

const { commitMutation, createOperationDescriptor, fetchQuery, getRequest, getSelector } = relay;
const ask = (query: any, variables = {}): Promise<any> =>
  fetchQuery(environment, query, variables).toPromise();
const mutate = (mutation: any, variables: object): Promise<any> =>
  new Promise((onCompleted, onError) =>
    commitMutation(environment, { mutation, variables, onCompleted, onError } as any)
  );

const { viewer } = await ask(viewerQuery);
const ids: string[] = [];
for (const number of [1, 2, 3]) {
  const prompt = { name: `Greeting ${number}`, content: "Say hello" };
  ids.push((await mutate(createMutation, { prompt })).createPrompt.prompt.id);
}

/** What the store has of the list: the pages that were read so far, as one. */
const operation = createOperationDescriptor(getRequest(listQuery), {});
const connection = () => {
  const { data } = environment.lookup(operation.fragment);
  return (environment.lookup(getSelector(listFragment, data as any) as any).data as any).prompts;
};
const retained = environment.retain(operation);
await ask(listQuery);
const names = () => connection().edges.map(({ node }: any) => node.name);
const first = names();
await ask(nextQuery, { first: 2, after: connection().pageInfo.endCursor });
const pages = [first, names().slice(2)];

// The row that a mutation answers is the one of the list, though nobody asked for nodeId
await mutate(renameMutation, { id: ids[2], patch: { name: "Renamed" } });
const renamed = names();
retained.dispose();

const nodeId = Object.entries(environment.getStore().getSource().toJSON() as any)
  .find(([, row]: any) => row.__typename === "Prompt" && row.name === "Greeting 2")![0];
const { node } = await ask(oneQuery, { nodeId });

const error = await ask(nextQuery, { first: 1000 }).catch((error) => error);
console.log(JSON.stringify({
  slug: viewer.organizationSlug,
  name: node.name,
  pages,
  code: error.extensions?.code,
  renamed,
}));
process.exit(0);
