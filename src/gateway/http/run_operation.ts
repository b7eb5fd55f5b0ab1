import { nameCredential } from "../credentials/read_credential.ts";
import { workOf } from "../database/work_of.ts";
import { inputLimitOf } from "../graphql/check_operation.ts";
import type { AppParts } from "./app_parts.ts";
import type { GatewayContext } from "./context.ts";
import { makeCharge } from "./charge.ts";
import { BodyError, readBody } from "./read_body.ts";
import { readOrganization } from "./read_organization.ts";
import { refuse, refuseError } from "./refuse.ts";

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
    const caller = {
      jwtId: credential.kind === "session" ? credential.jwtId : null,
      keyHash: credential.kind === "key" ? credential.hash : null,
      organization: readOrganization(c),
    };
    database = parts.adaptor.openRequest({ ...caller, role, requestId }, workOf(body.query));
    const organization = role === "curestry_member" ? await database.verify() : null;
    const key = caller.keyHash ?? caller.jwtId;
    const payer = key === null || organization === null ? null : { key, organization };
    const { pay, finish } = makeCharge(parts.budgets, payer);
    if (credential.kind === "key") parts.noteKeyUse(credential.hash);
    const { response, codes, used } = await server.handle(
      c.req.raw,
      body,
      database,
      requestId,
      pay,
    );
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
