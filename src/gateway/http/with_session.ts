import { nameCredential } from "../credentials/read_credential.ts";
import { refused } from "../gateway_error.ts";
import type { AppParts } from "./app_parts.ts";
import type { GatewayContext } from "./context.ts";
import { refusalOf, refusedRequest, sendRefusal } from "./refuse.ts";

/** What only a person who has signed in can do, with the session itself. */
export async function withSession(
  c: GatewayContext,
  parts: AppParts,
  work: (jwtId: string) => Promise<Response>,
): Promise<Response> {
  try {
    const credential = await parts.readCredential(c.req.header("authorization") ?? null);
    c.set("credential", nameCredential(credential));
    if (credential.kind !== "session") throw refused();
    return await work(credential.jwtId);
  } catch (error) {
    const { requestId, accept } = refusedRequest(c);
    return sendRefusal(c, await refusalOf(error, parts.errors, requestId, accept));
  }
}
