import type { Answer } from "../answer.ts";
import type { AppParts } from "./app_parts.ts";
import { refusal } from "./refuse.ts";
import { chooseRequestId } from "./request_id.ts";
import { type OperationRequest, runOperation } from "./run_operation.ts";

/** A batch of 100 analyses, with prompts of up to 1 MiB among them. */
export const largestBodyBytes = 2 * 1024 * 1024;

/** Runs a GraphQL operation, and notes it. Never throws. */
export type AnswerOperation = (request: Omit<OperationRequest, "requestId">) => Promise<Answer>;

/** Makes the way of POST /graphql. */
export function makeAnswerOperation(parts: AppParts): AnswerOperation {
  const { noteRequest } = parts;
  return async function answerOperation({ headers, body }) {
    const startedAt = performance.now();
    const requestId = chooseRequestId(headers["x-request-id"]);
    const { credential, codes, ...answer } = body.byteLength > largestBodyBytes
      ? refuseBody(requestId, headers.accept)
      : await runOperation({ requestId, headers, body }, parts);
    const { status } = answer;
    noteRequest({
      requestId,
      method: "POST",
      path: "/graphql",
      status,
      startedAt,
      credential,
      codes,
    });
    answer.headers["x-content-type-options"] = "nosniff";
    answer.headers["x-request-id"] = requestId;
    return answer;
  };
}

function refuseBody(
  requestId: string,
  accept = "",
): Awaited<ReturnType<typeof runOperation>> {
  const message = `A request may have ${largestBodyBytes} bytes`;
  return refusal(413, "LIMIT", message, { requestId, accept });
}
