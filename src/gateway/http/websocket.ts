import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { Answer } from "../answer.ts";
import { makeGate } from "../gate.ts";
import { refused } from "../gateway_error.ts";
import type { ClientError } from "../graphql/errors.ts";
import { isRecord } from "../../shared/is_record.ts";
import { parseJsonToPassOn } from "../../shared/json_numbers.ts";
import type { Sink } from "../live/hub.ts";
import { codesOf, type Subscribe } from "../live/subscribe.ts";
import { largestBodyBytes } from "./answer_operation.ts";
import type { AppParts } from "./app_parts.ts";
import { callerOf, credentialOf, verifyCaller } from "./caller.ts";
import { readHeaders } from "./convert_request.ts";
import { chooseRequestId } from "./request_id.ts";
import { runOperation } from "./run_operation.ts";
import { keepAliveMs, mostBufferedBytes } from "./lasting.ts";

/** The websockets of a gateway. */
export interface WebSockets {
  /** Takes a connection over, or refuses it. */
  upgrade(message: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** How many are open. */
  readonly count: number;
  /** Closes all of them; settles when they are closed, or have not answered. */
  stop(): Promise<void>;
}

/** What a socket may do. Times are in milliseconds. */
export interface WebSocketLimits {
  sockets: number;
  /** Operations of one socket at a time. */
  operations: number;
  /** How long a client may take to say who it is. */
  initMs: number;
  /** How long it may read nothing. */
  unreadMs: number;
}

const subprotocol = "graphql-transport-ws";
/** Headers that browsers cannot set on a websocket: `connection_init` takes them, too. */
const initHeaders = ["authorization", "x-api-key", "x-curestry-organization"] as const;
const closeMs = 2_000;
/** Queries and mutations of one socket that run at a time. */
const queriesOfASocket = 5;

/** Why a socket is closed: the codes of graphql-transport-ws, and one of ours. */
const closing = {
  stopping: [1001, "The gateway stops"],
  badMessage: [4400, "Invalid message"],
  unauthorized: [4401, "Unauthorized"],
  forbidden: [4403, "Forbidden"],
  subprotocol: [4406, "Subprotocol not acceptable"],
  initTimeout: [4408, "Connection initialisation timeout"],
  tooManyInits: [4429, "Too many initialisation requests"],
  slowConsumer: [4410, "The client reads too slowly: go on after the last cursor"],
  unavailable: [1013, "Try again later"],
} as const satisfies Record<string, readonly [number, string]>;
type Closing = readonly [code: number, reason: string];

/** Closes a socket. */
class SocketRefusal extends Error {
  constructor(readonly closing: Closing) {
    super(closing[1]);
  }
}

/** Makes the way of websockets: the protocol graphql-transport-ws, for operations of all kinds. */
export function makeWebSockets(
  parts: AppParts,
  subscribe: Subscribe,
  limits: WebSocketLimits,
): WebSockets {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: largestBodyBytes,
    handleProtocols: (offered) => offered.has(subprotocol) ? subprotocol : false,
  });
  const sockets = new Set<WebSocket>();
  const answered = new WeakSet<WebSocket>();
  const pingTimer = setInterval(ping, keepAliveMs);
  pingTimer.unref();
  let isStopping = false;

  /** Lets go who has not answered the ping before. */
  function ping(): void {
    for (const socket of sockets) {
      if (!answered.delete(socket)) socket.terminate();
      else socket.ping();
    }
  }

  function open(socket: WebSocket, upgradeHeaders: Record<string, string>): void {
    sockets.add(socket);
    answered.add(socket);
    socket.on("pong", () => answered.add(socket));
    // A protocol violation of the client's: the socket is closed with its code
    socket.on("error", () => {});
    const operations = new Map<string, { stop(): void }>();
    /** Their answers are not read one by one: no more of them are made than a client takes. */
    const queries = makeGate(queriesOfASocket, queriesOfASocket);
    let headers: Record<string, string> | null = null;
    let init: "none" | "begun" | "done" = "none";
    const initTimer = setTimeout(() => close(closing.initTimeout), limits.initMs);
    socket.on("close", () => {
      clearTimeout(initTimer);
      sockets.delete(socket);
      for (const { stop } of operations.values()) stop();
      operations.clear();
    });

    function close([code, reason]: Closing): void {
      socket.close(code, reason);
      setTimeout(() => socket.terminate(), closeMs).unref();
    }

    /** @param payload JSON */
    function send(type: string, id: string | null, payload: string | null): void {
      if (socket.readyState !== WebSocket.OPEN) return;
      const named = id === null ? "" : `,"id":${JSON.stringify(id)}`;
      const loaded = payload === null ? "" : `,"payload":${payload}`;
      socket.send(`{"type":"${type}"${named}${loaded}}`);
    }

    const isReady = () => socket.bufferedAmount <= mostBufferedBytes;

    /** @returns false if the client does not read */
    async function untilReady(): Promise<boolean> {
      const giveUpAt = performance.now() + limits.unreadMs;
      while (!isReady()) {
        if (socket.readyState !== WebSocket.OPEN) return false;
        if (performance.now() > giveUpAt) {
          close(closing.slowConsumer);
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return true;
    }

    function fail(id: string, errors: readonly ClientError[]): void {
      send("error", id, JSON.stringify(errors));
      operations.delete(id);
      if (codesOf(errors).includes("UNAUTHENTICATED")) close(closing.forbidden);
    }

    async function begin(payload: unknown): Promise<void> {
      if (init !== "none") throw new SocketRefusal(closing.tooManyInits);
      init = "begun";
      const own = readInit(payload);
      const { authorization, "x-api-key": key, ...others } = upgradeHeaders;
      // A credential that is given takes the place of any that was sent before
      const hasOwn = own.authorization !== undefined || own["x-api-key"] !== undefined;
      headers = {
        ...others,
        ...(hasOwn || authorization === undefined ? {} : { authorization }),
        ...(hasOwn || key === undefined ? {} : { "x-api-key": key }),
        ...own,
      };
      await verify(headers);
      clearTimeout(initTimer);
      init = "done";
      send("connection_ack", null, null);
    }

    /** Without credentials there are no websockets: they last. */
    async function verify(headers: Record<string, string>): Promise<void> {
      const requestId = chooseRequestId(headers["x-request-id"]);
      const startedAt = performance.now();
      try {
        const credential = await parts.readCredential(credentialOf(headers));
        if (credential.kind === "none") throw refused();
        const caller = callerOf(credential, headers, requestId);
        await parts.gate.pass("subscribe", () => verifyCaller(parts.adaptor, caller, "websocket"));
      } catch (error) {
        const { extensions: { code } } = await parts.errors.toClientError(error, requestId);
        const isRefused = code === "UNAUTHENTICATED" || code === "FORBIDDEN";
        const status = isRefused ? 401 : 503;
        parts.noteRequest({
          requestId,
          method: "GET",
          path: "/graphql",
          status,
          startedAt,
          codes: [code],
        });
        throw new SocketRefusal(isRefused ? closing.forbidden : closing.unavailable);
      }
    }

    async function run(id: string, payload: Record<string, unknown>): Promise<void> {
      const startedAt = performance.now();
      const request = {
        requestId: chooseRequestId(undefined),
        headers: {
          ...headers,
          "content-type": "application/json",
          accept: "application/graphql-response+json",
        },
        body: Buffer.from(JSON.stringify(payload)),
        onlyQueries: false,
      };
      // It may be ended before it has begun
      const operation: { stop(): void } = { stop() {} };
      operations.set(id, operation);
      const isWanted = () => operations.get(id) === operation;
      const sink: Sink = {
        next: (event) => isWanted() && send("next", id, event),
        isReady,
        fail: (error) => isWanted() && fail(id, [error]),
        giveUp: () => close(closing.slowConsumer),
      };
      const subscribed = await subscribe(request, sink);
      const note = (status: number, others: object) =>
        parts.noteRequest({
          requestId: request.requestId,
          method: "POST",
          path: "/graphql",
          status,
          startedAt,
          ...others,
        });
      if (subscribed.kind === "running") {
        note(200, { credential: subscribed.credential });
        operation.stop = subscribed.stop;
        if (!isWanted()) subscribed.stop();
        return;
      }
      if (subscribed.kind === "refused") {
        note(200, { credential: subscribed.credential, codes: codesOf(subscribed.errors) });
        if (isWanted()) fail(id, subscribed.errors);
        return;
      }
      const answered = await queries.pass("", async () => {
        if (await untilReady()) return await runOperation(request, parts);
      });
      if (answered === undefined) return;
      const { credential, codes, ...answer } = answered;
      note(answer.status, { credential, codes });
      if (!isWanted()) return;
      const errors = requestErrors(answer);
      if (errors !== null) return fail(id, errors);
      send("next", id, answer.body as string);
      send("complete", id, null);
      operations.delete(id);
    }

    async function receive(text: string): Promise<void> {
      const message = parseMessage(text);
      switch (message.type) {
        case "connection_init":
          return await begin(message.payload);
        case "ping":
          return send(
            "pong",
            null,
            message.payload === undefined ? null : JSON.stringify(message.payload),
          );
        case "pong":
          return;
        case "complete": {
          const id = readId(message.id);
          const operation = operations.get(id);
          operations.delete(id);
          return operation?.stop();
        }
        case "subscribe": {
          const id = readId(message.id);
          const { payload } = message;
          if (init !== "done") throw new SocketRefusal(closing.unauthorized);
          if (
            !isRecord(payload) || (typeof payload.query !== "string" && !("documentId" in payload))
          ) {
            throw new SocketRefusal(closing.badMessage);
          }
          if (operations.has(id)) {
            throw new SocketRefusal([4409, `Subscriber for ${id} already exists`.slice(0, 100)]);
          }
          if (operations.size >= limits.operations) {
            const message = `A websocket may have ${limits.operations} operations at a time`;
            return fail(id, [{ message, extensions: { code: "LIMIT" } }]);
          }
          return await run(id, payload);
        }
        default:
          throw new SocketRefusal(closing.badMessage);
      }
    }

    socket.on("message", (data: Buffer) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      receive(data.toString("utf8")).catch((error) => {
        if (error instanceof SocketRefusal) return close(error.closing);
        parts.log.error({ err: error }, "Internal error");
        close([1011, "Internal error"]);
      });
    });
  }

  return {
    upgrade(message, socket, head) {
      const headers = readHeaders(message);
      const [path] = (message.url ?? "").split("?");
      if (path !== "/graphql") return refuse(socket, "404 Not Found");
      if (!mayCall(parts.corsOrigins, headers)) return refuse(socket, "403 Forbidden");
      if (isStopping || sockets.size >= limits.sockets) {
        return refuse(socket, "503 Service Unavailable");
      }
      server.handleUpgrade(message, socket, head, (accepted) => {
        open(accepted, headers);
        if (accepted.protocol !== subprotocol) accepted.close(...closing.subprotocol);
      });
    },
    get count() {
      return sockets.size;
    },
    async stop() {
      isStopping = true;
      clearInterval(pingTimer);
      await Promise.all([...sockets].map((socket) => {
        const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
        socket.close(...closing.stopping);
        setTimeout(() => socket.terminate(), closeMs);
        return closed;
      }));
    },
  };
}

/** Browsers let every page open websockets: the page's origin must be ours, or one that may call. */
function mayCall(origins: readonly string[], { origin, host }: Record<string, string>): boolean {
  if (origin === undefined || origins.includes("*") || origins.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

function parseMessage(text: string): Record<string, unknown> {
  let message: unknown;
  try {
    message = parseJsonToPassOn(text);
  } catch {
    throw new SocketRefusal(closing.badMessage);
  }
  if (!isRecord(message)) throw new SocketRefusal(closing.badMessage);
  return message;
}

function readId(id: unknown): string {
  if (typeof id !== "string" || id === "" || id.length > 200) {
    throw new SocketRefusal(closing.badMessage);
  }
  return id;
}

/** The headers in the payload of `connection_init`, in whatever letters they are written. */
function readInit(payload: unknown): Record<string, string> {
  if (payload === undefined || payload === null) return {};
  if (!isRecord(payload)) throw new SocketRefusal(closing.badMessage);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(payload)) {
    const known = initHeaders.find((header) => header === name.toLowerCase());
    if (known === undefined) continue;
    if (typeof value !== "string") throw new SocketRefusal(closing.badMessage);
    headers[known] = value;
  }
  return headers;
}

/** The errors of an operation that was not run; null if it was. */
function requestErrors({ status, body }: Answer): readonly ClientError[] | null {
  if (status === 200) return null;
  const { data, errors } = JSON.parse(body as string);
  return data === undefined ? errors : null;
}
