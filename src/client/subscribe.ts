import type { AnyVariables, TypedDocument } from "./document.ts";
import { type ApiError, CurestryError, errorOfAnswer } from "./error.ts";
import { readEvents } from "./event_stream.ts";
import { mayRetry, type RetryOptions, waitFor } from "./retry.ts";
import { networkError, readAnswer, type Transport } from "./transport.ts";

/** How to subscribe. */
export interface SubscribeOptions {
  /** The cursor to go on after: that of the last event that was dealt with. Without one it begins now. */
  after?: string | null;
  /** Ends it. */
  signal?: AbortSignal;
  /** How long the gateway may be silent, with not even a comment, before it counts as gone; 45 s. */
  silenceMs?: number;
  /** When to try again. Without `attempts` it tries until it succeeds or is aborted. */
  retry?: RetryOptions;
}

/**
 * The events of a subscription, by server-sent events. When the connection breaks it subscribes again
 * after the cursor of the last event that it gave, so that nothing is missed and nothing comes twice.
 *
 * @param document asks for the field `cursor` of the event and takes the variable `$after`
 */
export async function* subscribe<R, V>(
  transport: Transport,
  document: TypedDocument<R, V>,
  variables: AnyVariables,
  options: SubscribeOptions = {},
): AsyncGenerator<R, void, undefined> {
  if (document.kind !== "subscription") throw new TypeError("The document is no subscription");
  if (!/\$after\b/.test(document.text) || !/\bcursor\b/.test(document.text)) {
    throw new TypeError("To go on where it was, a subscription asks for cursor and takes $after");
  }
  const { signal, silenceMs = 45_000 } = options;
  const retry = { ...transport.retry, attempts: Infinity, ...options.retry };
  let after = options.after ?? null;
  for (let failures = 0;;) {
    // Ends the connection when the caller leaves, whatever is under way
    const leaving = new AbortController();
    const ended = signal === undefined ? leaving.signal : AbortSignal.any([signal, leaving.signal]);
    let isFirst = true;
    try {
      for await (const answer of connect(after, ended)) {
        if (answer.errors) throw errorOfAnswer(answer.errors, { data: answer.data });
        isFirst = false;
        failures = 0;
        after = cursorOf(answer.data) ?? after;
        yield answer.data as R;
      }
      return;
    } catch (error) {
      signal?.throwIfAborted();
      // A slow reader is let go with LIMIT, too, and may go on where it was
      const wasLetGo = !isFirst && error instanceof CurestryError && error.code === "LIMIT";
      if (!wasLetGo && !mayRetry(error, true)) throw error;
      if (++failures >= retry.attempts) throw error;
      await transport.pause(waitFor(failures, error, retry), signal);
    } finally {
      leaving.abort();
    }
  }

  async function* connect(
    after: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<{ data?: unknown; errors?: ApiError[] }> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), silenceMs);
    try {
      const response = await transport.open("/graphql", {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/event-stream" },
        body: JSON.stringify({ query: document.text, variables: { ...variables, after } }),
      }, AbortSignal.any([signal, silence.signal]));
      if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
        return await readAnswer<never>(response);
      }
      const text = readText(response, () => {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceMs);
      });
      for await (const { event, data } of readEvents(text)) {
        if (event === "complete") return;
        // The caller takes its time: that is no silence of the gateway
        clearTimeout(timer);
        if (event === "next") yield JSON.parse(data);
      }
      throw networkError(new Error("the connection ended"));
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The text of an answer, as it comes. */
async function* readText(response: Response, beforeRead: () => void): AsyncGenerator<string> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      beforeRead();
      const { done, value } = await reader.read().catch((error) => {
        throw networkError(error);
      });
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Of an event: its one field has the cursor. */
function cursorOf(data: unknown): string | null {
  const [event] = Object.values(data ?? {}) as ({ cursor?: unknown } | null)[];
  return typeof event?.cursor === "string" ? event.cursor : null;
}
