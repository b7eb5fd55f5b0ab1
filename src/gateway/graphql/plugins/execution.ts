import type { GraphileConfig } from "graphile-config";
import type { execute, GrafastExecutionArgs } from "postgraphile/grafast";
import { getOperationAST, GraphQLError, type GraphQLSchema } from "postgraphile/graphql";
import type {} from "postgraphile/grafserv";
import { TooMuchData } from "../../database/connection_failures.ts";
import { GatewayError } from "../../gateway_error.ts";
import { type Checked, makeCheckDocument } from "../check_document.ts";
import { checkOperation } from "../check_operation.ts";
import { checkPageSizes } from "../check_page_sizes.ts";
import { measureAnswer } from "../measure_answer.ts";
import { nameValue } from "../name_value.ts";
import { MutationByGet } from "../mutation_by_get.ts";
import type { OperationLimits } from "../operation_limits.ts";
import { runMutation, runQuery, type TablePermissions } from "../run_query.ts";
import { setAsideBadItems, setAsideMistypedItems } from "../set_aside_bad_items.ts";
import { usedFields } from "../used_fields.ts";

/** Runs operations our way. */
export interface Execution {
  plugin: GraphileConfig.Plugin;
  /** Whether a document was checked just now. */
  isKnown(document: string): boolean;
  /** The check of a document, for those that are run past grafserv. */
  checkDocument(schema: GraphQLSchema, document: string): Checked;
}

/**
 * Runs operations our way: the document is checked before Grafast sees it, the request's database is
 * used and ended, and whatever goes wrong is an error of the answer, with its cause.
 *
 * @param isAnonymous whether it is the API of requests without credentials
 */
export function makeExecutionPlugin(
  isAnonymous: boolean,
  limits: OperationLimits,
  tables: TablePermissions,
): Execution {
  const run = makeRun(isAnonymous, limits, tables);
  let check: ReturnType<typeof makeCheckDocument> | undefined;
  const checkOf = (schema: GraphQLSchema) => check ??= makeCheckDocument(schema, { isAnonymous });
  const plugin: GraphileConfig.Plugin = {
    name: "CurestryExecutionPlugin",
    version: "1.0.0",
    grafserv: {
      middleware: {
        setPreset(next, event) {
          const original = event.getExecutionConfig;
          event.getExecutionConfig = async function (context) {
            const config = await original.call(this, context);
            const { checkDocument } = checkOf(config.schema);
            return { ...config, parseAndValidate: checkDocument, execute: run };
          };
          return next();
        },
      },
    },
  };
  return {
    plugin,
    isKnown: (document) => check?.isKnown(document) ?? false,
    checkDocument: (schema, document) => checkOf(schema).checkDocument(document),
  };
}

function makeRun(
  isAnonymous: boolean,
  limits: OperationLimits,
  tables: TablePermissions,
): typeof execute {
  return async function run(args: GrafastExecutionArgs) {
    const { schema, document } = args;
    const { database, used, pay, place } = args.requestContext as Grafast.RequestContext;
    try {
      const operation = getOperationAST(document, args.operationName);
      if (operation) {
        if (place.onlyQueries && operation.operation !== "query") throw new MutationByGet();
        if (operation.operation === "subscription") throw notHere(isAnonymous);
        if (!schema.getRootType(operation.operation)) throw needsCredentials();
        const { variables: variableValues, problem } = setAsideBadItems(
          schema,
          document,
          operation,
          args.variableValues,
        );
        if (problem !== null) return { errors: [problem] };
        args.variableValues = variableValues;
        const refusals = checkPageSizes(document, operation, variableValues);
        if (refusals.length > 0) return { errors: refusals };
        const { cost, records, isCostly, refusal } = checkOperation(
          schema,
          document,
          operation,
          variableValues,
          limits,
        );
        if (refusal) return { errors: [refusal] };
        const unpaid = await pay(cost, records);
        if (unpaid !== null) return { errors: [unpaid] };
        if (isCostly && place.mayChange) return goElsewhere(args);
      }
      Object.assign(args.contextValue as object, {
        pgSettings: {},
        withPgClient: database.withPgClient,
      });
      const runOperation = () =>
        operation?.operation === "mutation"
          ? runMutation(args, database, tables)
          : runQuery(args, database, tables);
      let result = await runOperation();
      if (operation && !("data" in result)) {
        const others = setAsideMistypedItems(schema, document, operation, args.variableValues);
        if (others !== null) {
          args.variableValues = others;
          result = await runOperation();
        }
      }
      if (!("data" in result)) {
        const errors = ("errors" in result ? result.errors ?? [] : [])
          .map((error: GraphQLError) => nameValue(error, schema, document));
        return errors.length > 0 ? { errors } : result;
      }
      const excess = operation?.operation === "query" && result.errors?.find(isTooMuchData);
      if (excess && place.mayChange) return goElsewhere(args);
      if (excess) {
        return {
          errors: [new GraphQLError(excess.message, { originalError: excess.originalError })],
        };
      }
      if (operation) used.push(...usedFields(document, operation, result.data));
      if (measureAnswer(result.data, limits.answerBytes) > limits.answerBytes) {
        return { errors: [answerTooLong(operation, limits.answerBytes)] };
      }
      return operation?.operation === "mutation" ? withMissingRows(result) : result;
    } catch (error) {
      const originalError = error instanceof Error ? error : new Error(String(error));
      return { errors: [new GraphQLError("internal error", { originalError })] };
    } finally {
      database.finish();
    }
  };
}

/** Ends an operation that nothing was done of; whoever handles the request runs it elsewhere. */
function goElsewhere(args: GrafastExecutionArgs): { data: null } {
  (args.requestContext as Grafast.RequestContext).place.isElsewhere = true;
  return { data: null };
}

function isTooMuchData(error: GraphQLError): boolean {
  return error.originalError instanceof TooMuchData;
}

function answerTooLong(operation: { operation: string } | null | undefined, most: number) {
  const done = operation?.operation === "mutation" ? "The change was made. " : "";
  return new GraphQLError(
    `${done}The answer would be longer than ${most} bytes; ask for smaller pages (first), or for ` +
      "fewer long texts",
    { extensions: { code: "LIMIT" } },
  );
}

/** Only the API of requests without credentials has no mutations. */
function needsCredentials(): GatewayError {
  return new GatewayError(
    "UNAUTHENTICATED",
    'This needs credentials: send "Authorization: Bearer" with an API key or a session token',
  );
}

/** A subscription has more than one answer. */
function notHere(isAnonymous: boolean): GatewayError {
  return isAnonymous ? needsCredentials() : new GatewayError(
    "INVALID",
    "Subscribe by websocket (graphql-transport-ws), or by POST with Accept: text/event-stream",
  );
}

/**
 * A mutation's field is null without an error when its node id is none, or is one of another type.
 * Nothing was changed, and the client is told so.
 */
function withMissingRows(result: Awaited<ReturnType<typeof execute>>): typeof result {
  if (!("data" in result) || !result.data) return result;
  const failed = new Set(result.errors?.map((error) => error.path?.[0]));
  const missing = Object.entries(result.data)
    .filter(([key, value]) => value === null && !failed.has(key))
    .map(([key]) => {
      const originalError = new GatewayError("NOT_FOUND", "There is no such row");
      return new GraphQLError(originalError.message, { path: [key], originalError });
    });
  return missing.length === 0
    ? result
    : { ...result, errors: [...result.errors ?? [], ...missing] };
}
