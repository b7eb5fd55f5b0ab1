import type { AnyVariables, TypedDocument } from "./document.ts";
import { type ApiError, CurestryError, errorOfAnswer } from "./error.ts";
import { type Pause, pause, type RetryOptions } from "./retry.ts";

/** Where the gateway is, and who asks. */
export interface ClientOptions {
  /** The gateway's address, without a path, such as `http://127.0.0.1:5678`. */
  url: string;
  /** An API key or a session's token; a function is asked before each request, so that a token can be renewed. */
  credential?: string | (() => string | Promise<string>);
  /** The slug of the organization that a person's requests are about. */
  organization?: string;
  /** Sent with each request. */
  headers?: Readonly<Record<string, string>>;
  /** When and how often to try again; five times by default. */
  retry?: RetryOptions;
  /** How long to wait for an answer; 60 s. */
  timeoutMs?: number;
  /** Another `fetch`, for proxies. */
  fetch?: typeof fetch;
  /** Another way to wait, for tests. */
  pause?: Pause;
}

/** Sends requests, and makes errors of what is not an answer. */
export interface Transport {
  readonly retry: RetryOptions;
  readonly pause: Pause;
  /** Sends an operation once. */
  send<R, V>(
    document: TypedDocument<R, V>,
    variables: AnyVariables,
    signal?: AbortSignal,
  ): Promise<R>;
  /** Sends a request once and answers what came back, unless it is a refusal. */
  open(path: string, init: RequestInit, signal?: AbortSignal): Promise<Response>;
}

/** Makes the way to a gateway. */
export function makeTransport(options: ClientOptions): Transport {
  const { organization, timeoutMs = 60_000 } = options;
  const base = new URL(options.url).href.replace(/\/+$/, "");
  const send = options.fetch ?? fetch;

  async function request(
    path: string,
    { headers, ...init }: RequestInit,
    signal?: AbortSignal,
  ): Promise<Response> {
    const { credential } = options;
    const secret = typeof credential === "function" ? await credential() : credential;
    signal?.throwIfAborted();
    try {
      return await send(base + path, {
        ...init,
        headers: {
          ...options.headers,
          ...headers as Record<string, string>,
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
          ...(organization === undefined ? {} : { "x-curestry-organization": organization }),
        },
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      throw networkError(error);
    }
  }

  return {
    retry: options.retry ?? {},
    pause: options.pause ?? pause,
    async send(document, variables, signal) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      try {
        const response = await request("/graphql", {
          method: "POST",
          headers: {
            "content-type": "application/json",
            accept: "application/graphql-response+json",
          },
          body: JSON.stringify({ query: document.text, variables }),
        }, either);
        return await readAnswer(response);
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
    async open(path, init, signal) {
      const response = await request(path, init, signal);
      return response.ok ? response : await readAnswer<never>(response);
    },
  };
}

/** The data of an answer of the API. */
export async function readAnswer<R>(response: Response): Promise<R> {
  const { status, headers } = response;
  const details = {
    status,
    requestId: headers.get("x-request-id") ?? undefined,
    retryAfterMs: retryAfterOf(response),
  };
  const text = await response.text().catch((error) => {
    throw networkError(error);
  });
  const answer = isJson(response) ? parse(text) : null;
  if (answer === null || (!answer.errors && answer.data === undefined)) {
    // A proxy in between: its 503 is as good as ours
    const code = status === 429 ? "LIMIT" : status >= 500 || status < 300 ? "NETWORK" : "INVALID";
    const message = `There was no answer of the API, but status ${status}: ${text.slice(0, 200)}`;
    throw new CurestryError(message, { ...details, code });
  }
  if (answer.errors) throw errorOfAnswer(answer.errors, { ...details, data: answer.data });
  return answer.data as R;
}

function parse(text: string): { data?: unknown; errors?: ApiError[] } | null {
  try {
    const answer = JSON.parse(text);
    return typeof answer === "object" ? answer : null;
  } catch {
    return null;
  }
}

function isJson({ headers }: Response): boolean {
  return /^[^;]*\bjson\b/.test(headers.get("content-type") ?? "");
}

/** What the gateway asks for: `Retry-After`, else, if the budget is spent, when it fills up again. */
function retryAfterOf({ status, headers }: Response): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const after = headers.get("retry-after") ??
    (status === 429 ? headers.get("ratelimit-reset") : null);
  if (after === null) return undefined;
  const seconds = Number(after);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(after) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The failure of `fetch`: no connection, or one that broke off. */
export function networkError(cause: unknown): CurestryError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CurestryError(`The gateway did not answer: ${reason}`, { code: "NETWORK", cause });
}
