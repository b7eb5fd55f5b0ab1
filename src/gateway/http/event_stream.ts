import type { ServerResponse } from "node:http";
import type { ClientError } from "../graphql/errors.ts";
import { codesOf, type Subscribe } from "../live/subscribe.ts";
import type { Sink } from "../live/hub.ts";
import type { AnswerOperation } from "./answer_operation.ts";
import type { AppParts } from "./app_parts.ts";
import { sendAnswer } from "./convert_request.ts";
import { corsHeaders } from "./cors.ts";
import { refusal } from "./refuse.ts";
import { chooseRequestId } from "./request_id.ts";
import { keepAliveMs, mostBufferedBytes } from "./lasting.ts";

/** How long a client that does not read may take to read why it is let go. */
const giveUpMs = 2_000;

/**
 * Answers an operation whose client takes server-sent events. Settles when the answer has ended.
 *
 * @param mayLast whether there is room for one more connection that lasts
 */
export type AnswerStream = (
  request: { headers: Readonly<Record<string, string>>; body: Uint8Array; mayLast: boolean },
  to: ServerResponse,
) => Promise<void>;

const tooManyConnections: ClientError = {
  message: "The gateway has as many subscriptions as it may have connections; try again later",
  extensions: { code: "LIMIT" },
};

/** Whether a client takes server-sent events. */
export function acceptsStream(accept: string | undefined): boolean {
  return accept !== undefined && /\btext\/event-stream\b/i.test(accept);
}

/**
 * Makes the way of server-sent events, as the protocol graphql-sse has it for distinct connections: what is wrong
 * with an operation is an event, too, except a bad credential. An operation that is no subscription is answered
 * as JSON to a client that takes both.
 */
export function makeAnswerStream(
  parts: AppParts,
  subscribe: Subscribe,
  answerOperation: AnswerOperation,
): AnswerStream {
  return async function answerStream({ headers, body, mayLast }, to) {
    const startedAt = performance.now();
    const requestId = chooseRequestId(headers["x-request-id"]);
    const common = {
      ...corsHeaders(parts.corsOrigins, headers.origin),
      "x-content-type-options": "nosniff",
      "x-request-id": requestId,
    };
    const stream = openStream(to, common);
    const subscribed = await subscribe(
      { requestId, headers, body, onlyQueries: false },
      stream.sink,
    );
    const note = (status: number, others: object) =>
      parts.noteRequest({
        requestId,
        method: "POST",
        path: "/graphql",
        status,
        startedAt,
        ...others,
      });

    if (subscribed.kind === "running") {
      note(200, { credential: subscribed.credential, ...(mayLast ? {} : { codes: ["LIMIT"] }) });
      if (mayLast) stream.begin();
      else stream.end({ errors: [tooManyConnections] });
      await stream.ended;
      subscribed.stop();
      return;
    }
    if (subscribed.kind === "refused") {
      const codes = codesOf(subscribed.errors);
      const isUnauthenticated = codes.includes("UNAUTHENTICATED");
      note(isUnauthenticated ? 401 : 200, { credential: subscribed.credential, codes });
      if (!isUnauthenticated) return stream.end({ errors: subscribed.errors });
      const { message } = subscribed.errors[0]!;
      const refused = refusal(401, "UNAUTHENTICATED", message, { requestId, accept: null });
      return sendAnswer({ ...refused, headers: { ...refused.headers, ...common } }, to);
    }
    const { "accept-encoding": _encoding, ...plain } = headers;
    const takesJson = /\bjson\b|\*\/\*/.test(headers.accept ?? "");
    const answer = await answerOperation({
      headers: {
        ...(takesJson ? headers : plain),
        accept: takesJson ? headers.accept! : "application/graphql-response+json",
        "x-request-id": requestId,
      },
      body,
      onlyQueries: false,
    });
    if (takesJson || answer.status === 401) return sendAnswer(answer, to);
    stream.end(JSON.parse(answer.body as string));
  };
}

/** An answer of events, which begins with the first of them. */
function openStream(to: ServerResponse, headers: Record<string, string>): {
  sink: Sink;
  begin(): void;
  end(payload: unknown): void;
  ended: Promise<void>;
} {
  const ended = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let isOver = false;
  to.on("close", finish);

  function finish(): void {
    isOver = true;
    clearInterval(timer);
    ended.resolve();
  }

  function begin(): void {
    if (to.headersSent || isOver) return;
    to.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      // Of proxies that would wait for more
      "x-accel-buffering": "no",
    });
    to.write(":\n\n");
    timer = setInterval(() => to.write(":\n\n"), keepAliveMs);
  }

  function next(payload: string): void {
    begin();
    if (!isOver) to.write(`event: next\ndata: ${payload}\n\n`);
  }

  function end(payload: unknown): void {
    if (isOver) return;
    next(JSON.stringify(payload));
    to.end("event: complete\ndata: \n\n");
    finish();
  }

  const sink: Sink = {
    next,
    isReady: () => isOver || bufferedBytes(to) <= mostBufferedBytes,
    fail: (error) => end({ errors: [error] }),
    giveUp(error) {
      end({ errors: [error] });
      setTimeout(() => to.destroy(), giveUpMs).unref();
    },
  };
  return { sink, begin, end, ended: ended.promise };
}

function bufferedBytes(to: ServerResponse): number {
  return to.writableLength + (to.socket?.writableLength ?? 0);
}
