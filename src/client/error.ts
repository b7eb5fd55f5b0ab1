/** An error as the API answers it. */
export interface ApiError {
  message: string;
  path?: readonly (string | number)[];
  extensions?: { code?: string; field?: string; constraint?: string; requestId?: string };
}

/** What the client knows of a failure. */
export interface ErrorDetails {
  code: string;
  field?: string | undefined;
  constraint?: string | undefined;
  requestId?: string | undefined;
  status?: number | undefined;
  retryAfterMs?: number | undefined;
  errors?: readonly ApiError[] | undefined;
  data?: unknown;
  cause?: unknown;
}

/** Why an operation failed; `code` says what happened, `message` what to do. */
export class CurestryError extends Error {
  override readonly name = "CurestryError";
  /** One of the API's codes, such as `FORBIDDEN`; or `NETWORK`: there was no answer, or none of the API's. */
  readonly code: string;
  /** The field of the input that is wrong, if the API could tell. */
  readonly field: string | null;
  /** The rule that was broken, if the API could tell. */
  readonly constraint: string | null;
  /** Finds the request in the gateway's log and in the audit log. */
  readonly requestId: string | null;
  /** Of the answer, if there was one. */
  readonly status: number | null;
  /** After how long the gateway says to come back. */
  readonly retryAfterMs: number | null;
  /** All errors of the answer; this is the first one. */
  readonly errors: readonly ApiError[];
  /** What was answered beside the errors. */
  readonly data: unknown;

  /** @param message what to do */
  constructor(message: string, details: ErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.field = details.field ?? null;
    this.constraint = details.constraint ?? null;
    this.requestId = details.requestId ?? null;
    this.status = details.status ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.errors = details.errors ?? [];
    this.data = details.data ?? null;
  }
}

/** The error of an answer. */
export function errorOfAnswer(
  errors: readonly ApiError[],
  details: Omit<ErrorDetails, "code" | "errors">,
): CurestryError {
  const { message = "The API failed without saying why", extensions } = errors[0] ?? {};
  return new CurestryError(message, {
    ...details,
    code: extensions?.code ?? "INTERNAL",
    field: extensions?.field,
    constraint: extensions?.constraint,
    requestId: extensions?.requestId ?? details.requestId,
    errors,
  });
}
