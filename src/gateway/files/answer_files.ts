import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { ErrorCode } from "../../shared/error_codes.ts";
import { nameCredential } from "../credentials/read_credential.ts";
import type { AppParts } from "../http/app_parts.ts";
import { callerOf, credentialOf, verifyCaller } from "../http/caller.ts";
import { type Charge, makeCharge, OwingError } from "../http/charge.ts";
import { readHeaders, sendAnswer } from "../http/convert_request.ts";
import { corsHeaders, preflightHeaders } from "../http/cors.ts";
import { type Refusal, refusal, refusalOf } from "../http/refuse.ts";
import { chooseRequestId } from "../http/request_id.ts";
import { exportFile } from "./export_file.ts";
import { ClientGone, FileError } from "./file_error.ts";
import type { FileParts, FileRequest } from "./file_request.ts";
import { importFile, importKinds } from "./import_file.ts";
import { exportKinds } from "./kinds.ts";
import type { FileStream } from "./send_stream.ts";
import { makeTurnstile } from "./turnstile.ts";

/** What a request costs before it is known how much it will be. */
const firstCost = 100;
/** What it costs to refuse one, as bytes of a body. */
const refusedBytes = 1_000;

/** Answers a request for a file. Never throws. */
export type AnswerFiles = (message: IncomingMessage, to: ServerResponse) => Promise<void>;

/** Whether a request is one for a file: those are streams, unlike all others. */
export function isForFiles({ url }: IncomingMessage): boolean {
  return /^\/(export|import)(\/|\?|$)/.test(url ?? "");
}

/** Whether its body is read as it comes, however long that takes. */
export function isUpload(message: IncomingMessage): boolean {
  return message.method === "POST" && (message.url ?? "").startsWith("/import/");
}

const directions = {
  export: { kinds: exportKinds, methods: ["GET", "HEAD"], run: exportFile },
  import: { kinds: importKinds, methods: ["POST"], run: importFile },
} as const;

/** Makes the way of exports and imports: `/export/KIND`, `/import/KIND`. */
export function makeAnswerFiles(app: AppParts, parts: FileParts): AnswerFiles {
  const turnstile = makeTurnstile();

  return async function answerFiles(message, to) {
    const startedAt = performance.now();
    const headers = readHeaders(message);
    const requestId = chooseRequestId(headers["x-request-id"]);
    const { method = "GET" } = message;
    const url = new URL(`http://here${message.url ?? "/"}`);
    const answerHeaders: Record<string, string> = {
      ...corsHeaders(app.corsOrigins, headers.origin),
      "x-request-id": requestId,
      "x-content-type-options": "nosniff",
    };
    const known: Known = { charge: null, stream: null };
    let status = 200;
    let codes: readonly ErrorCode[] | undefined;
    try {
      await answer();
      status = to.statusCode;
    } catch (error) {
      if (error instanceof ClientGone) {
        parts.log.debug({ requestId, err: error }, "A client left before its file was whole");
        if (known.stream === null) to.destroy();
        status = to.statusCode;
      } else {
        const refused = await refuse(error);
        codes = refused.codes;
        status = refused.status;
      }
      // A client that has a part is to see that this is no whole file
      known.stream?.abort();
    } finally {
      known.leave?.();
      // A client may read its answer only when it has sent all
      message.resume();
    }
    const { credential } = known;
    app.noteRequest({
      requestId,
      method,
      path: url.pathname,
      status,
      startedAt,
      credential,
      codes,
    });

    /** Answers with a refusal, if nothing was answered yet. */
    async function refuse(error: unknown): Promise<Refusal> {
      const accept = headers.accept ?? null;
      const refused = error instanceof FileError
        ? refusal(error.status, error.code, error.message, { requestId, accept })
        : await refusalOf(error, parts.errors, requestId, accept);
      if (known.stream !== null || to.destroyed) return refused;
      known.charge?.owe(refusedBytes, 0);
      const all = { ...refused.headers, ...answerHeaders, "cache-control": "no-store" };
      if (error instanceof FileError) Object.assign(all, error.headers);
      const body = method === "HEAD" ? null : refused.body;
      const answer = { status: refused.status, headers: all, body };
      sendAnswer(known.charge?.finish(answer) ?? answer, to);
      return refused;
    }

    async function answer(): Promise<void> {
      const [, direction = "", kind = ""] = url.pathname.split("/");
      const { kinds, methods, run } = directions[direction as keyof typeof directions];
      if (url.pathname.split("/").length > 3 || !Object.hasOwn(kinds, kind)) {
        const message = `There is no /${direction}/${kind}; there are ` +
          Object.keys(kinds).map((name) => `/${direction}/${name}`).join(", ");
        throw new FileError(404, "NOT_FOUND", message);
      }
      const allow = [...methods, "OPTIONS"].join(", ");
      if (method === "OPTIONS") {
        const preflight = preflightHeaders(app.corsOrigins, headers.origin) ?? {};
        to.writeHead(204, { ...answerHeaders, ...preflight, allow }).end();
        return;
      }
      if (!methods.some((name) => name === method)) {
        throw new FileError(405, "INVALID", `Send this by ${methods[0]}`, { allow });
      }
      const credential = await app.readCredential(credentialOf(headers));
      known.credential = nameCredential(credential);
      if (credential.kind === "none") {
        throw new FileError(
          401,
          "UNAUTHENTICATED",
          'This needs credentials: send "Authorization: Bearer" with an API key or a session token',
        );
      }
      const caller = callerOf(credential, headers, requestId);
      const { organization } = await verifyCaller(parts.adaptor, caller, "files");
      const key = caller.keyHash ?? caller.jwtId ?? "";
      const charge = known.charge = makeCharge(app.budgets, { key, organization });
      throwIfOwing(charge);
      known.leave = turnstile.enter(organization);
      const request: FileRequest = {
        kind,
        method,
        parameters: url.searchParams,
        headers,
        caller,
        message,
        to,
        answerHeaders,
        async payFirst(records) {
          const unpaid = await charge.pay(firstCost, records);
          if (unpaid !== null) throw new FileError(429, "LIMIT", unpaid.message);
          Object.assign(
            answerHeaders,
            charge.finish({ status: 200, headers: {}, body: null }).headers,
          );
        },
        async pay(cost, records) {
          for (;;) {
            const balance = await app.budgets?.charge(
              { key, organization },
              Math.ceil(cost),
              records,
            );
            if (balance === undefined || balance.retrySeconds === null) return;
            if (to.destroyed) throw new ClientGone("The client is gone");
            await pause(Math.min(balance.retrySeconds * 1_000, longestPauseMs));
          }
        },
        onBegin: (stream) => known.stream = stream,
      };
      await run(request, parts);
      app.apiUsage.note(caller, [`${direction}.${kind}`]);
      if (credential.kind === "key") app.noteKeyUse(credential.hash);
    }
  };
}

/** @throws FileError */
function throwIfOwing(charge: Charge): void {
  try {
    charge.throwIfOwing();
  } catch (error) {
    if (!(error instanceof OwingError)) throw error;
    const headers = { "retry-after": String(error.retrySeconds) };
    throw new FileError(429, error.code, error.message, headers);
  }
}

/** Who waits for a budget looks again after this time, and whether the client is still there. */
const longestPauseMs = 1_000;

/** What is known of a request so far. */
interface Known {
  credential?: string;
  charge: Charge | null;
  stream: FileStream | null;
  /** Out of the turnstile. */
  leave?: () => void;
}
