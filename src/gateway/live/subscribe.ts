import type { ErrorCode } from "../../shared/error_codes.ts";
import { nameCredential } from "../credentials/read_credential.ts";
import type { ClientError } from "../graphql/errors.ts";
import type { GraphqlBody } from "../graphql/graphql_body.ts";
import type { AppParts } from "../http/app_parts.ts";
import { makeCharge } from "../http/charge.ts";
import { callerOf, credentialOf, verifyCaller } from "../http/caller.ts";
import { smallBodyBytes } from "../http/parse_body.ts";
import { readOperation } from "../http/read_operation.ts";
import type { OperationRequest } from "../http/run_operation.ts";
import { requirePermission, type Sink } from "./hub.ts";

/** What becomes of an operation. */
export type Subscribed =
  /** It is none: it is run as every other one. */
  | { kind: "other" }
  | { kind: "refused"; errors: readonly ClientError[]; credential?: string }
  | { kind: "running"; stop(): void; credential: string };

/** Begins to tell of changes, if an operation is a subscription. Never throws. */
export type Subscribe = (request: OperationRequest, sink: Sink) => Promise<Subscribed>;

/**
 * Makes the way of subscriptions. The credential comes first, as everywhere: who is refused learns nothing about
 * the schema.
 */
export function makeSubscribe(parts: AppParts): Subscribe {
  const { adaptor, apiUsage, budgets, errors, gate, hub, noteKeyUse } = parts;

  return async function subscribe(request, sink) {
    const { headers, requestId } = request;
    const body = await readBody(request, parts);
    if (body === null) return { kind: "other" };
    let credentialName: { credential: string } | undefined;
    const refuse = async (failures: readonly unknown[]): Promise<Subscribed> => ({
      kind: "refused",
      errors: await Promise.all(
        failures.map((error) => errors.toClientError(error, requestId, body.variables)),
      ),
      ...credentialName,
    });
    try {
      const credential = await parts.readCredential(credentialOf(headers));
      // Says that it needs credentials
      if (credential.kind === "none") return { kind: "other" };
      credentialName = { credential: nameCredential(credential) };
      const caller = callerOf(credential, headers, requestId);
      const server = await parts.serverOf(caller.role);
      const { organization, permissions } = await gate.pass(
        "subscribe",
        () => verifyCaller(adaptor, caller, "subscribe"),
      );
      const key = caller.keyHash ?? caller.jwtId;
      const payer = key === null || organization === "" ? null : { key, organization };
      const charge = makeCharge(budgets, payer);
      charge.throwIfOwing();
      const preparation = server.prepareSubscription(body);
      if (preparation.kind === "other") return { kind: "other" };
      if (preparation.kind === "refused") {
        charge.owe(request.body.byteLength, body.query.length);
        return await refuse(preparation.errors);
      }
      const { subscription: prepared } = preparation;
      requirePermission(permissions, prepared.permission);
      const unpaid = await charge.pay(prepared.cost, false);
      if (unpaid !== null) return await refuse([unpaid]);
      const stop = hub.subscribe({ caller, organization, prepared, payer, sink });
      apiUsage.note(caller, [prepared.topic]);
      if (credential.kind === "key") noteKeyUse(credential.hash);
      return { kind: "running", stop, ...credentialName };
    } catch (error) {
      return await refuse([error]);
    }
  };
}

/** The codes of errors, for the log. */
export function codesOf(errors: readonly ClientError[]): ErrorCode[] {
  return errors.map(({ extensions }) => extensions.code);
}

/** @returns null for what cannot be a subscription; what is wrong with it is said where operations are run */
async function readBody(
  { body, headers }: OperationRequest,
  parts: AppParts,
): Promise<GraphqlBody | null> {
  if (body.byteLength > smallBodyBytes) return null;
  try {
    const parsed = await readOperation(parts, body, headers["content-type"]);
    return /\bsubscription\b/.test(parsed.query) ? parsed : null;
  } catch {
    return null;
  }
}
