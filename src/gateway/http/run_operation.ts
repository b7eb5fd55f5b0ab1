import type { CostlyOperations } from "../costly/costly_operations.ts";
import type { CostlyOperation } from "../costly/messages.ts";
import { nameCredential } from "../credentials/read_credential.ts";
import type { Caller } from "../database/adaptor.ts";
import { workOf } from "../database/work_of.ts";
import { inputLimitOf } from "../graphql/check_operation.ts";
import type { GraphqlAnswer } from "../graphql/graphql_server.ts";
import { nextTurn } from "../turns.ts";
import type { AppParts } from "./app_parts.ts";
import type { GatewayContext } from "./context.ts";
import { makeCharge } from "./charge.ts";
import { BodyError, readBody } from "./read_body.ts";
import { readOrganization } from "./read_organization.ts";
import { refuse, refuseError } from "./refuse.ts";

/** To check a longer document takes milliseconds. */
const charactersOfATurn = 1_000;

/**
 * Runs the GraphQL operation of a request. The credential comes first, then everything else: who is
 * refused learns nothing about the schema.
 */
export async function runOperation(c: GatewayContext, parts: AppParts): Promise<Response> {
  const requestId = c.get("requestId");
  let database;
  try {
    const credential = await parts.readCredential(c.req.header("authorization") ?? null);
    c.set("credential", nameCredential(credential));
    const body = await readBody(
      c.req.raw,
      (query) => inputLimitOf(query, parts.operationLimits),
    );
    const role = credential.kind === "none" ? "curestry_anonymous" : "curestry_member";
    const server = await parts.serverOf(role);
    const caller: Caller = {
      role,
      jwtId: credential.kind === "session" ? credential.jwtId : null,
      keyHash: credential.kind === "key" ? credential.hash : null,
      organization: readOrganization(c),
      requestId,
    };
    const work = workOf(body.query);
    database = parts.adaptor.openRequest(caller, work);
    const organization = role === "curestry_member" ? await database.verify() : null;
    const key = caller.keyHash ?? caller.jwtId;
    const payer = key === null || organization === null ? null : { key, organization };
    const { pay, finish } = makeCharge(parts.budgets, payer);
    if (credential.kind === "key") parts.noteKeyUse(credential.hash);
    const { costly } = parts;
    const options = { pay, mayGoElsewhere: costly !== null };
    if (body.query.length > charactersOfATurn) await nextTurn();
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
    if (codes.length > 0) c.set("codes", codes);
    return finish(response);
  } catch (error) {
    if (error instanceof BodyError) return refuse(c, error.status, error.code, error.message);
    return await refuseError(c, parts.errors, error);
  } finally {
    database?.finish();
  }
}

async function runCostly(
  costly: CostlyOperations,
  operation: CostlyOperation,
): Promise<GraphqlAnswer> {
  const { status, headers, body, codes, used } = await costly.run(operation);
  return { response: new Response(body, { status, headers }), codes, used };
}
