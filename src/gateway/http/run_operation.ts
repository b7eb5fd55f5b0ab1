import type { ErrorCode } from "../../shared/error_codes.ts";
import type { CostlyOperations } from "../costly/costly_operations.ts";
import type { CostlyOperation } from "../costly/messages.ts";
import { nameCredential } from "../credentials/read_credential.ts";
import type { RequestDatabase } from "../database/adaptor.ts";
import { workOf } from "../database/work_of.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import type { GraphqlAnswer } from "../graphql/graphql_server.ts";
import { nextTurn } from "../turns.ts";
import type { Answer } from "../answer.ts";
import type { AppParts } from "./app_parts.ts";
import { callerOf, credentialOf } from "./caller.ts";
import { type Charge, makeCharge, OwingError } from "./charge.ts";
import { BodyError, smallBodyBytes } from "./parse_body.ts";
import { readOperation } from "./read_operation.ts";
import { type Refusal, refusal, refusalOf } from "./refuse.ts";

/** A request to run an operation. */
export interface OperationRequest {
  requestId: string;
  /** Names in small letters. */
  headers: Readonly<Record<string, string>>;
  body: Uint8Array;
  /** Whether it came by GET, which changes nothing. */
  onlyQueries: boolean;
}

/** Its answer, and what the log and the metrics tell about it. */
export interface OperationAnswer extends Answer {
  credential?: string;
  codes?: readonly ErrorCode[];
}

/**
 * Runs the GraphQL operation of a request. The credential comes first, then everything else: who is
 * refused learns nothing about the schema. Never throws.
 */
export async function runOperation(
  request: OperationRequest,
  parts: AppParts,
): Promise<OperationAnswer> {
  const { requestId, headers } = request;
  const bytes = request.body.byteLength;
  const accept = headers.accept ?? null;
  let database: RequestDatabase | null = null;
  let charge: Charge | null = null;
  let body: GraphqlBody | null = null;
  let credentialName: { credential: string } | undefined;
  const refuse = (refused: Refusal): OperationAnswer => ({ ...refused, ...credentialName });
  try {
    const credential = await parts.readCredential(credentialOf(headers));
    credentialName = { credential: nameCredential(credential) };
    const role = credential.kind === "none" ? "curestry_anonymous" : "curestry_member";
    const isSmall = bytes <= smallBodyBytes;
    if (!isSmall && role === "curestry_anonymous") throw tooLargeWithoutCredentials();
    const parse = () => readOperation(parts, request.body, headers["content-type"]);
    if (isSmall) body = await parse();
    const server = await parts.serverOf(role);
    const caller = callerOf(credential, headers, requestId);
    const work = body === null ? "large" : workOf(body.query);
    database = parts.adaptor.openRequest(caller, work);
    const organization = role === "curestry_member"
      ? (await database.readRights()).organization
      : null;
    const key = caller.keyHash ?? caller.jwtId;
    const payer = key === null || organization === null ? null : { key, organization };
    charge = makeCharge(parts.budgets, payer);
    charge.throwIfOwing();
    if (body === null) {
      await nextTurn();
      body = await parse();
      // To check what it asks for takes as long as to read it
      await nextTurn();
    }
    const { costly } = parts;
    const options = {
      pay: charge.pay,
      mayGoElsewhere: costly !== null,
      onlyQueries: request.onlyQueries,
    };
    const here = await server.handle(accept, body, database, requestId, options);
    const { answer, codes, used } = costly !== null && here === "elsewhere"
      ? await runCostly(costly, { caller, work, body, accept })
      : here as GraphqlAnswer;
    if (role === "curestry_member") {
      await database.verify();
      parts.apiUsage.note(caller, used);
    }
    if (credential.kind === "key") parts.noteKeyUse(credential.hash);
    if (codes.length > 0) charge.owe(bytes, body.query.length);
    return { ...charge.finish(answer), ...credentialName, ...(codes.length > 0 ? { codes } : {}) };
  } catch (error) {
    if (error instanceof BodyError || error instanceof OwingError) {
      const refused = await database?.verify().then(() => undefined, (refused: unknown) => refused);
      if (refused !== undefined) {
        return refuse(await refusalOf(refused, parts.errors, requestId, accept));
      }
    }
    if (error instanceof BodyError) {
      charge?.owe(bytes, body?.query.length ?? 0);
      const { status, code, message, field } = error;
      return refuse(refusal(status, code, message, { requestId, accept }, field));
    }
    if (error instanceof OwingError) {
      const owing = refusal(429, error.code, error.message, { requestId, accept });
      owing.headers["retry-after"] = String(error.retrySeconds);
      return refuse(owing);
    }
    return refuse(await refusalOf(error, parts.errors, requestId, accept));
  } finally {
    database?.finish();
  }
}

function tooLargeWithoutCredentials(): BodyError {
  return new BodyError(
    413,
    "LIMIT",
    `Without credentials a request may have ${smallBodyBytes} bytes`,
  );
}

async function runCostly(
  costly: CostlyOperations,
  operation: CostlyOperation,
): Promise<GraphqlAnswer> {
  const { status, headers, body, codes, used } = await costly.run(operation);
  return { answer: { status, headers, body }, codes, used };
}
