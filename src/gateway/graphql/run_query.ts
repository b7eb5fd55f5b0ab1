import "./graphile_env.ts";
import { execute, type GrafastExecutionArgs } from "postgraphile/grafast";
import {
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLNamedType,
} from "postgraphile/graphql";
import { hasPermission, type RequestDatabase } from "../database/adaptor.ts";
import { isFromServer, SkippedStatement } from "../database/connection_failures.ts";
import { noPermission } from "../gateway_error.ts";
import { rootCause } from "./root_cause.ts";
import { findRoots, nullReplaced, type ReducedDocument, replaceFields } from "./replace_fields.ts";
import { tableOfType } from "./table_of.ts";

/** Which permission the rows of a table need, by "schema.table". */
export type TablePermissions = ReadonlyMap<string, string>;

/** The result of an operation. */
export type Result = Awaited<ReturnType<typeof execute>>;

/** Root fields that may fail by themselves, each of which makes the others run once more. */
const maxFailingFields = 3;
/** Why a root field is not asked for again. */
const hasFailed = "failed";
/** In how many turns the statements of a document came, at most. */
const turnCounts = new WeakMap<DocumentNode, number>();
const maxReducedOfDocument = 50;
const reducedOf = new WeakMap<DocumentNode, Map<string, ReducedDocument | null>>();

/**
 * Runs a query, so that what is refused is told: a field whose rows need a permission that the request
 * does not have is not asked for, and has an error in its place; a root field that the database refuses
 * has its error, and spoils nothing beside it.
 */
export async function runQuery(
  args: GrafastExecutionArgs,
  database: RequestDatabase,
  tables: TablePermissions,
): Promise<Result> {
  return await withPermissions(
    database,
    (permissions) => runWithPermissions(args, database, tables, permissions),
  );
}

/** Runs something with the permissions that are known, and anew if they have changed within the last minute. */
export async function withPermissions<Result>(
  database: RequestDatabase,
  run: (permissions: string) => Promise<Result>,
): Promise<Result> {
  let { permissions } = await database.readRights();
  for (;;) {
    const result = await run(permissions);
    const now = (await database.verify()).permissions;
    if (now === permissions) return result;
    permissions = now;
  }
}

/**
 * Runs a mutation. A root field whose answer needs a permission that the request does not have is refused,
 * and changes nothing.
 */
export async function runMutation(
  args: GrafastExecutionArgs,
  database: RequestDatabase,
  tables: TablePermissions,
): Promise<Result> {
  const { permissions } = await database.readRights();
  database.begin("mutation", { inOneTurn: false });
  const reduced = reduceMutation(args, tables, permissions);
  const result = await execute(reduced === null ? args : { ...args, document: reduced.document });
  return withRefusals(args, reduced, result, []);
}

async function runWithPermissions(
  args: GrafastExecutionArgs,
  database: RequestDatabase,
  tables: TablePermissions,
  permissions: string,
): Promise<Result> {
  const failed = new Set<string>();
  const failures: GraphQLError[] = [];
  for (;;) {
    const reduced = reduce(args, tables, permissions, [...failed]);
    const document = reduced?.document ?? args.document;
    const result = await runInTurns({ ...args, document }, database);
    const found = "data" in result ? findFailures(result) : [];
    const isNew = found.some(({ path }) => !failed.has(String(path?.[0])));
    if (!isNew || failed.size >= maxFailingFields) {
      return withRefusals(args, reduced, result, failures);
    }
    failures.push(...found);
    for (const { path } of found) failed.add(String(path?.[0]));
  }
}

/** Runs a query in one round trip to the database, if its document has never needed more so far. */
async function runInTurns(args: GrafastExecutionArgs, database: RequestDatabase): Promise<Result> {
  const { document } = args;
  const context = args.contextValue as object;
  const known = turnCounts.get(document) ?? 0;
  const inOneTurn = known === 1;
  database.begin("query", { inOneTurn });
  const result = await execute({ ...args, contextValue: { ...context } });
  const { turnCount } = database;
  turnCounts.set(document, Math.max(known, turnCount));
  if (!inOneTurn || turnCount <= 1) return result;
  // It needs more now than it ever did, and its transaction is over
  database.begin("query", { inOneTurn: false });
  return await execute({ ...args, contextValue: { ...context } });
}

/** The errors of the statements that failed, if others were not run for that reason. */
function findFailures({ errors = [] }: ExecutionResult): GraphQLError[] {
  if (!errors.some((error) => rootCause(error) instanceof SkippedStatement)) return [];
  return errors.filter((error) => error.path !== undefined && isFromServer(rootCause(error)));
}

/**
 * The document without what these permissions do not let the request read.
 *
 * @param failed keys of root fields that are not asked for again
 */
export function reduce(
  args: GrafastExecutionArgs,
  tables: TablePermissions,
  permissions: string,
  failed: readonly string[],
): ReducedDocument | null {
  const { schema, document, operationName } = args;
  return keepReduced(
    args,
    permissions,
    failed,
    () =>
      replaceFields(schema, document, operationName, (field, type, isRoot) => {
        const isFailed = isRoot && failed.includes(field.alias?.value ?? field.name.value);
        return isFailed ? hasFailed : missingPermission(type, tables, permissions);
      }),
  );
}

function reduceMutation(
  args: GrafastExecutionArgs,
  tables: TablePermissions,
  permissions: string,
): ReducedDocument | null {
  const { schema, document, operationName } = args;
  return keepReduced(args, permissions, [], () => {
    const refused = findRoots(
      schema,
      document,
      (type, parent) =>
        parent.extensions["curestryOfFunction"] === true
          ? null
          : missingPermission(type, tables, permissions),
    );
    if (refused.size === 0) return null;
    return replaceFields(
      schema,
      document,
      operationName,
      (field, _type, isRoot) =>
        isRoot ? refused.get(field.alias?.value ?? field.name.value) ?? null : null,
    );
  });
}

/** What a document becomes is kept with it: to look through it takes time, and a new one is planned anew. */
function keepReduced(
  { document, operationName }: GrafastExecutionArgs,
  permissions: string,
  failed: readonly string[],
  make: () => ReducedDocument | null,
): ReducedDocument | null {
  const key = JSON.stringify([operationName, permissions, failed]);
  let known = reducedOf.get(document);
  if (known === undefined) reducedOf.set(document, known = new Map());
  let reduced = known.get(key);
  if (reduced === undefined) {
    reduced = make();
    if (known.size >= maxReducedOfDocument) known.clear();
    known.set(key, reduced);
  }
  return reduced;
}

function missingPermission(
  type: GraphQLNamedType,
  tables: TablePermissions,
  permissions: string,
): string | null {
  const needed = tables.get(tableOfType(type));
  return needed === undefined || hasPermission(permissions, needed) ? null : needed;
}

/** Makes null what was not asked for, and says why. */
export function withRefusals(
  { schema }: GrafastExecutionArgs,
  reduced: ReducedDocument | null,
  result: Result,
  failures: readonly GraphQLError[],
): Result {
  if (reduced === null || !("data" in result) || !result.data) return result;
  const { data, fields } = nullReplaced(schema, reduced, result.data);
  const refusals = fields.filter(({ reason }) => reason !== hasFailed)
    .map(({ node, path, reason }) => {
      const originalError = noPermission(reason);
      return new GraphQLError(originalError.message, { nodes: node, path, originalError });
    });
  const errors = [...result.errors ?? [], ...failures, ...refusals];
  return { ...result, data, ...(errors.length > 0 ? { errors } : {}) };
}
