import type { GraphileConfig } from "graphile-config";
import { execute, type GrafastExecutionArgs } from "postgraphile/grafast";
import { getOperationAST, GraphQLError } from "postgraphile/graphql";
import type {} from "postgraphile/grafserv";
import { GatewayError } from "../../gateway_error.ts";
import { makeCheckDocument } from "../check_document.ts";
import { checkPageSizes } from "../check_page_sizes.ts";
import { usedFields } from "../used_fields.ts";

/**
 * Runs operations our way: the document is checked before Grafast sees it, the request's database is
 * used and ended, and whatever goes wrong is an error of the answer, with its cause.
 *
 * @param suggestions whether refusals may name fields that exist
 */
export function makeExecutionPlugin(suggestions: boolean): GraphileConfig.Plugin {
  return {
    name: "CurestryExecutionPlugin",
    version: "1.0.0",
    grafserv: {
      middleware: {
        setPreset(next, event) {
          const original = event.getExecutionConfig;
          let check: ReturnType<typeof makeCheckDocument> | undefined;
          event.getExecutionConfig = async function (context) {
            const config = await original.call(this, context);
            check ??= makeCheckDocument(config.schema, { suggestions });
            return { ...config, parseAndValidate: check, execute: run };
          };
          return next();
        },
      },
    },
  };
}

const run: typeof execute = async function run(args: GrafastExecutionArgs) {
  const { database, used } = args.requestContext as Grafast.RequestContext;
  try {
    const operation = getOperationAST(args.document, args.operationName);
    if (operation) {
      if (!args.schema.getRootType(operation.operation)) throw notOffered(operation.operation);
      const refusals = checkPageSizes(args.document, operation, args.variableValues);
      if (refusals.length > 0) return { errors: refusals };
      database.begin(operation.operation === "mutation" ? "mutation" : "query");
    }
    Object.assign(args.contextValue as object, {
      pgSettings: {},
      withPgClient: database.withPgClient,
    });
    const result = await execute(args);
    if (operation && "data" in result) {
      used.push(...usedFields(args.document, operation, result.data));
    }
    return operation?.operation === "mutation" ? withMissingRows(result) : result;
  } catch (error) {
    const originalError = error instanceof Error ? error : new Error(String(error));
    return { errors: [new GraphQLError("internal error", { originalError })] };
  } finally {
    database.finish();
  }
};

/** Only the API of requests without credentials has no mutations; none has subscriptions yet. */
function notOffered(operation: string): GatewayError {
  return operation === "mutation"
    ? new GatewayError(
      "UNAUTHENTICATED",
      'This needs credentials: send "Authorization: Bearer" with an API key or a session token',
    )
    : new GatewayError("INVALID", `This API has no ${operation}s`);
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
