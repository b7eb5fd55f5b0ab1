import "./graphile_env.ts";
import type { GraphileConfig } from "graphile-config";
import { makeSchema } from "postgraphile";
import {
  convertHandlerResultToResult,
  GrafservBase,
  type HandlerResult,
  normalizeRequest,
  type RequestDigest,
} from "postgraphile/grafserv";
import type { GraphQLError, GraphQLSchema } from "postgraphile/graphql";
import type { ErrorCode } from "../../shared/error_codes.ts";
import type { Answer } from "../answer.ts";
import type { RequestDatabase } from "../database/adaptor.ts";
import { nextTurn } from "../turns.ts";
import { NotWithoutCredentials } from "./check_document.ts";
import type { ClientError, ErrorMapper } from "./errors.ts";
import type { GraphqlBody } from "./graphql_body.ts";
import { MutationByGet } from "./mutation_by_get.ts";
import type { OperationLimits } from "./operation_limits.ts";
import { type Preparation, prepareSubscription } from "./prepare_subscription.ts";
import type { TablePermissions } from "./run_query.ts";
import { makeExecutionPlugin } from "./plugins/execution.ts";

declare global {
  namespace Grafast {
    interface RequestContext {
      /** The request's way to the database, which its operation uses and then ends. */
      database: RequestDatabase;
      /** Gets the root fields that were used. */
      used: string[];
      pay: Pay;
      place: Place;
    }
  }
}

/** To check a longer document takes milliseconds. */
const charactersOfATurn = 1_000;

/** Charges the cost of an operation. @returns why it may not run, null if it may */
export type Pay = (cost: number, records: boolean) => Promise<GraphQLError | null>;

/** Where an operation runs. */
export interface Place {
  /** Whether it may run elsewhere if it is costly. */
  readonly mayChange: boolean;
  /** Whether it came by GET, which changes nothing. */
  readonly onlyQueries: boolean;
  /** Set when it has to run elsewhere. */
  isElsewhere: boolean;
}

/** An answer, the codes of its errors for the log, and the root fields that it has used. */
export interface GraphqlAnswer {
  answer: Answer;
  codes: readonly ErrorCode[];
  used: readonly string[];
}

/** The GraphQL API of one role. */
export interface GraphqlServer {
  /**
   * Runs an operation. Never throws.
   *
   * @param accept the header, null if there is none
   * @returns "elsewhere" for a costly one that is not to run here; it is paid
   */
  handle(
    accept: string | null,
    body: GraphqlBody,
    database: RequestDatabase,
    requestId: string,
    options: { pay: Pay; mayGoElsewhere: boolean; onlyQueries: boolean },
  ): Promise<GraphqlAnswer | "elsewhere">;
  /** Checks whether an operation is a subscription, and makes it ready to be told of events. */
  prepareSubscription(body: GraphqlBody): Preparation;
  /** A file of the API explorer, as it was built. */
  sendExplorerFile(request: Request): Promise<Response>;
  /** What it answers to, and what reading needs: for its documentation. */
  readonly schema: GraphQLSchema;
  readonly tables: TablePermissions;
}

/**
 * Builds the schema of a preset and serves it.
 *
 * @param options `isAnonymous`: whether it is that of requests without credentials; `tables`: what reading needs
 * @throws when the database cannot be introspected
 */
export async function makeGraphqlServer(
  preset: GraphileConfig.Preset,
  errors: ErrorMapper,
  options: { isAnonymous: boolean; operationLimits: OperationLimits; tables: TablePermissions },
): Promise<GraphqlServer> {
  const { isAnonymous, operationLimits, tables } = options;
  const execution = makeExecutionPlugin(isAnonymous, operationLimits, tables);
  const { plugin, isKnown } = execution;
  const { schema, resolvedPreset } = await makeSchema({
    ...preset,
    plugins: [...preset.plugins ?? [], plugin],
  });
  const grafserv = new GrafservBase({ schema, preset: resolvedPreset });
  await grafserv.ready();
  const api = {
    schema,
    resolvedPreset,
    tables,
    operationLimits,
    checkDocument: (document: string) => execution.checkDocument(schema, document),
  };

  return {
    prepareSubscription: (body) => prepareSubscription(api, body),

    async handle(accept, body, database, requestId, { pay, mayGoElsewhere, onlyQueries }) {
      const { query } = body;
      if (query.length > charactersOfATurn && !isKnown(query)) await nextTurn();
      const used: string[] = [];
      const place = { mayChange: mayGoElsewhere, onlyQueries, isElsewhere: false };
      const digest = operationDigest(accept, body, { database, used, pay, place });
      const result: HandlerResult | null = await grafserv.graphqlHandler(
        normalizeRequest(digest),
        grafserv.graphiqlHandler,
      );
      if (place.isElsewhere) return "elsewhere";
      if (result?.type !== "graphql") {
        return { answer: await toAnswer(result), codes: [], used };
      }
      const found = await Promise.all(
        (result.payload.errors ?? []).map((error) =>
          errors.toClientError(error, requestId, body.variables)
        ),
      );
      const { data } = result.payload;
      const isBecause = (failure: typeof MutationByGet | typeof NotWithoutCredentials) =>
        result.payload.errors?.some((error) =>
          (error as GraphQLError).originalError instanceof failure
        ) ?? false;
      const ofMediaType = result.statusCode ?? 200;
      const status = isBecause(MutationByGet)
        ? 405
        : isBecause(NotWithoutCredentials)
        ? ofMediaType
        : statusOf(ofMediaType, data, found);
      const payload = {
        ...(found.length > 0 ? { errors: found } : {}),
        ...(data === undefined ? {} : { data }),
      };
      // Whoever names no media type gets the one that every client knows, with the honest status.
      const contentType = acceptsAnything(accept)
        ? "application/json;charset=utf-8"
        : result.contentType;
      const headers: Record<string, string> = { "content-type": contentType };
      if (status === 405) headers["allow"] = "POST";
      if (status === 401) headers["www-authenticate"] = "Bearer";
      if (status === 503) headers["retry-after"] = "1";
      return {
        answer: { status, headers, body: JSON.stringify(payload) },
        codes: found.map((error) => error.extensions.code),
        used,
      };
    },

    async sendExplorerFile(request) {
      const { status, headers, body } = await toAnswer(
        await grafserv.graphiqlStaticHandler(normalizeRequest(fileDigest(request))),
      );
      return new Response(body, { status, headers });
    },

    schema,
    tables,
  };
}

function acceptsAnything(accept: string | null): boolean {
  return accept === null || accept.trim() === "*/*";
}

/**
 * The HTTP status: that of the media type's rules, unless the whole answer is that the service, or
 * the credential, failed.
 */
function statusOf(status: number, data: unknown, errors: readonly ClientError[]): number {
  if (errors.length === 0 || !isEmpty(data)) return status;
  const every = (code: ErrorCode) => errors.every((error) => error.extensions.code === code);
  if (every("UNAVAILABLE")) return 503;
  if (every("UNAUTHENTICATED")) return 401;
  if (data === undefined && every("INTERNAL")) return 500;
  return status;
}

function isEmpty(data: unknown): boolean {
  return data === null || data === undefined ||
    Object.values(data).every((value) => value === null);
}

/** What all requests say to grafserv, which has no part in HTTP. */
const http1 = { httpVersionMajor: 1, httpVersionMinor: 1, isSecure: false, preferJSON: true };

function operationDigest(
  accept: string | null,
  body: GraphqlBody,
  requestContext: Partial<Grafast.RequestContext>,
): RequestDigest {
  // Checked before; grafserv knows it in small letters only.
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (accept !== null) headers.accept = accept;
  return {
    ...http1,
    method: "POST",
    path: "/graphql",
    headers,
    getQueryParams: () => ({}),
    getBody: () => ({ type: "json", json: body as never }),
    requestContext,
  };
}

function fileDigest(request: Request): RequestDigest {
  const url = new URL(request.url);
  return {
    ...http1,
    isSecure: url.protocol === "https:",
    method: request.method,
    path: url.pathname,
    headers: Object.fromEntries(request.headers),
    getQueryParams: () => Object.fromEntries(url.searchParams),
    getBody: () => ({ type: "json", json: null as never }),
    requestContext: {},
  };
}

async function toAnswer(result: HandlerResult | null): Promise<Answer> {
  const converted = await convertHandlerResultToResult(result);
  switch (converted?.type) {
    case "buffer": {
      const { buffer, statusCode, headers } = converted;
      return { status: statusCode, headers, body: new Uint8Array(buffer) };
    }
    case "noContent":
      return { status: converted.statusCode, headers: converted.headers ?? {}, body: null };
    default:
      return { status: 404, headers: {}, body: null };
  }
}
