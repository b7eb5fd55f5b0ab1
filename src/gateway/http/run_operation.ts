import type { CostlyOperations } from "../costly/costly_operations.ts";
import type { CostlyOperation } from "../costly/messages.ts";
import { nameCredential } from "../credentials/read_credential.ts";
import type { Caller, RequestDatabase } from "../database/adaptor.ts";
import { workOf } from "../database/work_of.ts";
import { inputLimitOf } from "../graphql/check_operation.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import type { GraphqlAnswer } from "../graphql/graphql_server.ts";
import { nextTurn } from "../turns.ts";
import type { AppParts } from "./app_parts.ts";
import type { GatewayContext } from "./context.ts";
import { type Charge, makeCharge, OwingError } from "./charge.ts";
import { BodyError, parseBody, smallBodyBytes } from "./parse_body.ts";
import { readOrganization } from "./read_organization.ts";
import { refuse, refuseError } from "./refuse.ts";

/**
 * Runs the GraphQL operation of a request. The credential comes first, then everything else: who is
 * refused learns nothing about the schema.
 */
export async function runOperation(c: GatewayContext, parts: AppParts): Promise<Response> {
  const requestId = c.get("requestId");
  let database: RequestDatabase | null = null;
  let charge: Charge | null = null;
  let bytes = 0;
  let body: GraphqlBody | null = null;
  try {
    const credential = await parts.readCredential(c.req.header("authorization") ?? null);
    c.set("credential", nameCredential(credential));
    const role = credential.kind === "none" ? "curestry_anonymous" : "curestry_member";
    const content = await c.req.raw.arrayBuffer();
    bytes = content.byteLength;
    const isSmall = bytes <= smallBodyBytes;
    if (!isSmall && role === "curestry_anonymous") throw tooLargeWithoutCredentials();
    const parse = () =>
      parseBody(
        content,
        c.req.header("content-type"),
        (query) => inputLimitOf(query, parts.operationLimits),
      );
    if (isSmall) body = parse();
    const server = await parts.serverOf(role);
    const caller: Caller = {
      role,
      jwtId: credential.kind === "session" ? credential.jwtId : null,
      keyHash: credential.kind === "key" ? credential.hash : null,
      organization: readOrganization(c),
      requestId,
    };
    const work = body === null ? "large" : workOf(body.query);
    database = parts.adaptor.openRequest(caller, work);
    const organization = role === "curestry_member" ? await database.verify() : null;
    const key = caller.keyHash ?? caller.jwtId;
    const payer = key === null || organization === null ? null : { key, organization };
    charge = makeCharge(parts.budgets, payer);
    charge.throwIfOwing();
    if (credential.kind === "key") parts.noteKeyUse(credential.hash);
    if (body === null) {
      await nextTurn();
      body = parse();
    }
    const { costly } = parts;
    const options = { pay: charge.pay, mayGoElsewhere: costly !== null };
    const here = await server.handle(c.req.raw, body, database, requestId, options);
    const { response, codes, used } = costly !== null && here === "elsewhere"
      ? await runCostly(costly, {
        caller,
        work,
        body,
        url: c.req.url,
        accept: c.req.header("accept") ?? null,
      })
      : here as GraphqlAnswer;
    if (role === "curestry_member") parts.apiUsage.note(caller, used);
    if (codes.length > 0) {
      c.set("codes", codes);
      charge.owe(bytes, body.query.length);
    }
    return charge.finish(response);
  } catch (error) {
    if (error instanceof BodyError) {
      charge?.owe(bytes, body?.query.length ?? 0);
      return refuse(c, error.status, error.code, error.message);
    }
    if (error instanceof OwingError) {
      c.header("retry-after", String(error.retrySeconds));
      return refuse(c, 429, error.code, error.message);
    }
    return await refuseError(c, parts.errors, error);
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
  return { response: new Response(body, { status, headers }), codes, used };
}
