import { createHash } from "node:crypto";
import { type Answer, withVary } from "../answer.ts";
import type { AppParts } from "./app_parts.ts";
import { compress } from "./compress.ts";
import { corsHeaders } from "./cors.ts";
import { refusal } from "./refuse.ts";
import { chooseRequestId } from "./request_id.ts";
import { type OperationRequest, runOperation } from "./run_operation.ts";

/** A batch of 100 analyses, with prompts of up to 1 MiB among them. */
export const largestBodyBytes = 2 * 1024 * 1024;

/** Runs a GraphQL operation, and notes it. Never throws. */
export type AnswerOperation = (request: Omit<OperationRequest, "requestId">) => Promise<Answer>;

/** Makes the way of operations, by POST and by GET. */
export function makeAnswerOperation(parts: AppParts): AnswerOperation {
  const { corsOrigins, noteRequest } = parts;
  return async function answerOperation({ headers, body, onlyQueries }) {
    const startedAt = performance.now();
    const requestId = chooseRequestId(headers["x-request-id"]);
    const { credential, codes, ...answer } = body.byteLength > largestBodyBytes
      ? refuseBody(requestId, headers.accept)
      : await runOperation({ requestId, headers, body, onlyQueries }, parts);
    Object.assign(answer.headers, corsHeaders(corsOrigins, headers.origin));
    answer.headers["x-content-type-options"] = "nosniff";
    answer.headers["x-request-id"] = requestId;
    const sent = await compress(
      onlyQueries ? withValidator(answer, headers["if-none-match"]) : answer,
      headers["accept-encoding"],
    );
    noteRequest({
      requestId,
      method: onlyQueries ? "GET" : "POST",
      path: "/graphql",
      status: sent.status,
      startedAt,
      credential,
      codes,
    });
    return sent;
  };
}

/**
 * The answer to a query by GET, for a cache of its reader alone, which asks each time whether it is still
 * good; 304 if it is.
 */
function withValidator(answer: Answer, known: string | undefined): Answer {
  const { status, headers, body } = answer;
  if (status !== 200 || typeof body !== "string") {
    return { ...answer, headers: { ...headers, "cache-control": "no-store" } };
  }
  const etag = `W/"${createHash("sha256").update(body).digest("base64url")}"`;
  const depending = withVary(headers, "authorization, x-api-key, x-curestry-organization, accept");
  const cached = { ...depending, etag, "cache-control": "private, no-cache" };
  const isKnown = known?.split(",").some((tag) => tag.trim() === etag) ?? false;
  return isKnown ? { status: 304, headers: cached, body: null } : { ...answer, headers: cached };
}

function refuseBody(
  requestId: string,
  accept = "",
): Awaited<ReturnType<typeof runOperation>> {
  const message = `A request may have ${largestBodyBytes} bytes`;
  return refusal(413, "LIMIT", message, { requestId, accept });
}
