import "./graphile_env.ts";
import { execute, type GrafastExecutionArgs } from "postgraphile/grafast";
import {
  type DocumentNode,
  type ExecutionResult,
  type FieldNode,
  getArgumentValues,
  getOperationAST,
  getVariableValues,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
} from "postgraphile/graphql";
import type { RequestDatabase } from "../database/adaptor.ts";
import { TooMuchData } from "../database/connection_failures.ts";
import { GatewayError } from "../gateway_error.ts";
import type { LiveEvent, LiveTopic } from "../live/live_event.ts";
import type { Checked } from "./check_document.ts";
import { checkOperation } from "./check_operation.ts";
import { setAsideBadItems } from "./set_aside_bad_items.ts";
import { checkPageSizes } from "./check_page_sizes.ts";
import type { GraphqlBody } from "./graphql_body.ts";
import { fragmentsOf } from "./limits.ts";
import { measureAnswer } from "./measure_answer.ts";
import type { OperationLimits } from "./operation_limits.ts";
import { reduce, type TablePermissions, withPermissions, withRefusals } from "./run_query.ts";

/** Which table a subscription tells of: who may read that may subscribe. */
const tableOfTopic: Readonly<Record<LiveTopic, string>> = {
  analysisRunChanged: "ops.analysis_run",
  promptChanged: "core.prompts",
  martsUpdated: "mart.metric_timeseries",
};

/** Which changes a subscription is told of. */
export interface LiveFilter {
  promptId: string | null;
  statuses: readonly string[] | null;
}

/** A subscription that has passed all checks of its document. */
export interface PreparedSubscription {
  topic: LiveTopic;
  /** What its caller must be allowed. */
  permission: string;
  /** The cursor that it goes on after. */
  after: string | null;
  filter: LiveFilter;
  /** What each event costs. */
  cost: number;
  /** Two of the same caller with equal keys are told the same. */
  shareKey: string;
  /**
   * What is told of these events, under the rights of the request; of fewer, from the first one, if all of
   * them together are too much for one request.
   *
   * @throws what the database refuses
   */
  run(database: RequestDatabase, events: readonly LiveEvent[]): Promise<ExecutionResult[]>;
}

/** What an operation is, or the errors of what is none. */
export type Preparation =
  | { kind: "subscription"; subscription: PreparedSubscription }
  | { kind: "other" }
  | { kind: "refused"; errors: readonly GraphQLError[] };

/** What is known of an API. */
export interface SubscriptionApi {
  schema: GraphQLSchema;
  resolvedPreset: GraphileConfig.ResolvedPreset;
  tables: TablePermissions;
  operationLimits: OperationLimits;
  checkDocument(document: string): Checked;
}

/** Checks an operation as every other one, and makes it ready to be told of events, if it is a subscription. */
export function prepareSubscription(api: SubscriptionApi, body: GraphqlBody): Preparation {
  const { schema, operationLimits: limits } = api;
  const { document } = api.checkDocument(body.query);
  // What is wrong with it is said where operations are run
  const operation = document && getOperationAST(document, body.operationName);
  if (!operation || operation.operation !== "subscription") return { kind: "other" };
  const refuse = (...errors: GraphQLError[]): Preparation => ({ kind: "refused", errors });

  const field = rootField(document, operation);
  const type = schema.getSubscriptionType();
  const definition = field && type?.getFields()[field.name.value];
  if (!field || !definition) return refuse(new GraphQLError("A subscription needs its field"));
  const { problem } = setAsideBadItems(schema, document, operation, body.variables);
  if (problem !== null) return refuse(problem);
  const variables = withoutCursor(operation, field, body.variables ?? {});
  const excess = checkPageSizes(document, operation, variables);
  if (excess.length > 0) return refuse(...excess);
  const { cost, refusal } = checkOperation(schema, document, operation, variables, limits);
  if (refusal) return refuse(refusal);
  const given = getVariableValues(
    schema,
    operation.variableDefinitions ?? [],
    body.variables ?? {},
  );
  if (given.errors) return refuse(...given.errors);
  const { after, promptId, status } = getArgumentValues(definition, field, given.coerced);
  const topic = field.name.value as LiveTopic;
  return {
    kind: "subscription",
    subscription: {
      topic,
      permission: api.tables.get(tableOfTopic[topic]) ?? "",
      after: (after ?? null) as string | null,
      filter: {
        promptId: (promptId ?? null) as string | null,
        statuses: (status ?? null) as string[] | null,
      },
      cost: cost ?? 0,
      shareKey: JSON.stringify([body.query, body.operationName, variables]),
      run: (database, events) =>
        withPermissions(
          database,
          (permissions) =>
            runEvents(api, { document, body, variables }, database, events, permissions),
        ),
    },
  };
}

/** The one field of a subscription; the rules of GraphQL have seen to it that there are not two. */
function rootField(document: DocumentNode, operation: OperationDefinitionNode): FieldNode | null {
  const fragments = fragmentsOf(document);
  let { selections } = operation.selectionSet;
  for (;;) {
    const [node] = selections;
    if (node === undefined) return null;
    if (node.kind === Kind.FIELD) return node.directives?.length ? null : node;
    const inner = node.kind === Kind.FRAGMENT_SPREAD
      ? fragments.get(node.name.value)
      : node.selectionSet;
    if (!inner) return null;
    selections = inner.selections;
  }
}

/** Where one begins is its own matter: all else may be shared. */
function withoutCursor(
  { variableDefinitions = [] }: OperationDefinitionNode,
  field: FieldNode,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const value = field.arguments?.find(({ name }) => name.value === "after")?.value;
  if (value?.kind !== Kind.VARIABLE) return { ...variables };
  const name = value.name.value;
  const definition = variableDefinitions.find(({ variable }) => variable.name.value === name);
  const fixed = definition?.type.kind === Kind.NON_NULL_TYPE ? { [name]: "" } : {};
  const { [name]: _cursor, ...others } = variables;
  return { ...others, ...fixed };
}

async function runEvents(
  { schema, resolvedPreset, tables, operationLimits }: SubscriptionApi,
  { document, body, variables }: {
    document: DocumentNode;
    body: GraphqlBody;
    variables: Record<string, unknown>;
  },
  database: RequestDatabase,
  events: readonly LiveEvent[],
  permissions: string,
): Promise<ExecutionResult[]> {
  database.begin("query", { inOneTurn: false });
  const args = {
    schema,
    document,
    resolvedPreset,
    rootValue: null,
    variableValues: variables,
    operationName: body.operationName,
    contextValue: {
      pgSettings: {},
      withPgClient: database.withPgClient,
      pgSubscriber: null,
      liveEvents: { subscribe: () => iterate(events) },
    },
    requestContext: {},
  } as unknown as GrafastExecutionArgs;
  const reduced = reduce(args, tables, permissions, []);
  const running = await execute(
    reduced === null ? args : { ...args, document: reduced.document },
  );
  if (!(Symbol.asyncIterator in running)) return events.map(() => running as ExecutionResult);
  const results: ExecutionResult[] = [];
  for await (const result of running as AsyncIterable<ExecutionResult>) {
    const excess = result.errors?.some(({ originalError }) => originalError instanceof TooMuchData);
    if (excess && results.length > 0) break;
    const told = withRefusals(args, reduced, result, []) as ExecutionResult;
    const most = operationLimits.answerBytes;
    results.push(
      told.data && measureAnswer(told.data, most) > most ? { errors: [tooLong(most)] } : told,
    );
  }
  return results;
}

async function* iterate(events: readonly LiveEvent[]): AsyncGenerator<LiveEvent> {
  yield* events;
}

function tooLong(most: number): GraphQLError {
  const originalError = new GatewayError(
    "LIMIT",
    `What is told of this event would be longer than ${most} bytes; ask for fewer long texts`,
  );
  return new GraphQLError(originalError.message, { originalError });
}
