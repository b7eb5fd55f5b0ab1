import type { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { AddressInfo, ListenOptions as ListenOptionsOfNode, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import type { AnswerOperation } from "./answer_operation.ts";
import {
  convertRequest,
  isOperation,
  readBody,
  readHeaders,
  sendAnswer,
  sendResponse,
} from "./convert_request.ts";
import { type AnswerFiles, isForFiles, isUpload } from "../files/answer_files.ts";
import { acceptsStream, type AnswerStream } from "./event_stream.ts";
import { maxConnections } from "./max_connections.ts";
import { watchAccepts } from "./watch_accepts.ts";
import type { WebSockets } from "./websocket.ts";

/** Where and how to listen. */
export interface ListenOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** How long a client may take to send a request, and to send the next one, in milliseconds. */
  clientTimeoutMs: number;
  /** Connections of clients at once; with more, the oldest without a request under way is closed. */
  maxClients: number;
  /** Whether other processes may listen on the same port: the system deals connections out among them. */
  sharedPort: boolean;
  log: Logger;
}

/** Who answers. */
export interface Handlers {
  /** POST /graphql, without the Web's Request and Response in between: they cost as much as our own work. */
  answerOperation: AnswerOperation;
  answerOther(request: Request): Response | Promise<Response>;
  /** Exports and imports, which are streams. */
  answerFiles: AnswerFiles;
  /** POST /graphql of a client that takes events. */
  answerStream: AnswerStream;
  /** A connection that becomes a websocket. */
  upgrade: WebSockets["upgrade"];
}

/** A server that listens. */
export interface HttpListener {
  port: number;
  /** Takes no more requests; settles when those under way have their answers. */
  close(): Promise<void>;
  /** Cuts off whoever is still there. */
  cut(): void;
}

/** `reusePort` is an option of Node.js 23, which its types in use here do not have yet. */
type ListenArguments = ListenOptionsOfNode & { reusePort: boolean };
/** How long a client may go on sending what is too large already. */
const drainMs = 2_000;
/** How long requests under way may take on a server that was replaced. */
const retiredMs = 60_000;
/** How much of all connections may be ones that last. */
const lastingPart = 0.8;
/** How often it is looked for clients that are too slow. */
const slowClientsCheckMs = 1_000;

/**
 * Listens for requests, by node:http: unlike `Deno.serve` it has time limits for slow clients, a limit
 * of connections, and it does not end the process when the system has no file left for a connection.
 *
 * @throws {Error} if the port is taken
 */
export async function listen(
  options: ListenOptions,
  { answerOperation, answerOther, answerFiles, answerStream, upgrade }: Handlers,
): Promise<HttpListener> {
  const { host, clientTimeoutMs, log } = options;
  /** The one that listens, and before it those that had to be replaced, with their connections. */
  const servers = new Map<Server, Set<Socket>>();
  /** Connections with a request under way. */
  const busy = new Set<Socket>();
  /** Websockets, and those that get events. */
  const lasting = new Set<Socket>();
  const most = maxConnections(options.maxClients);
  let isClosing = false;

  async function open(port: number): Promise<Server> {
    const server = createServer({
      headersTimeout: clientTimeoutMs,
      // By ourselves: an import may take as long as it goes on
      requestTimeout: 0,
      keepAliveTimeout: clientTimeoutMs,
      connectionsCheckingInterval: Math.min(slowClientsCheckMs, clientTimeoutMs),
      requireHostHeader: false,
    }, (message, to) => void answer(message, to));
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      if (sockets.size > most) makeRoom(sockets);
    });
    server.on("upgrade", (message: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (message.headers.upgrade?.toLowerCase() !== "websocket") {
        // Who offers HTTP/2 takes HTTP/1.1 as well
        const to = new ServerResponse(message);
        to.assignSocket(message.socket);
        to.shouldKeepAlive = false;
        to.on("finish", () => socket.end());
        return void answer(message, to);
      }
      if (isClosing || !mayLast()) return void socket.destroy();
      keepLasting(message.socket);
      upgrade(message, socket, head);
    });
    server.on("clientError", (_error, socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host, reusePort: options.sharedPort } as ListenArguments, () => {
        server.off("error", reject);
        resolve();
      });
    });
    server.on("error", (error) => log.warn({ err: error }, "Connections cannot be accepted"));
    servers.set(server, sockets);
    return server;
  }

  /** Connections that last leave some for requests. */
  function mayLast(): boolean {
    return lasting.size < most * lastingPart;
  }

  function keepLasting(socket: Socket): void {
    busy.add(socket);
    lasting.add(socket);
    socket.on("close", () => {
      busy.delete(socket);
      lasting.delete(socket);
    });
  }

  /** Closes the oldest connection without a request under way, at last the newest itself. */
  function makeRoom(sockets: Set<Socket>): void {
    for (const socket of sockets) {
      if (busy.has(socket)) continue;
      sockets.delete(socket);
      socket.destroy();
      return;
    }
  }

  /** Ends a server whose place another one takes. Once it is closed, nobody looks for slow clients. */
  function retire(server: Server): void {
    server.close();
    const sockets = servers.get(server) ?? new Set();
    for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
    setTimeout(() => {
      for (const socket of sockets) socket.destroy();
      servers.delete(server);
    }, retiredMs).unref();
  }

  async function answer(message: IncomingMessage, to: ServerResponse): Promise<void> {
    const { socket } = message;
    busy.add(socket);
    to.on("error", () => message.destroy());
    const timer = isUpload(message) || message.complete
      ? undefined
      : setTimeout(() => message.complete || socket.destroy(), clientTimeoutMs);
    try {
      if (isClosing) to.setHeader("connection", "close");
      if (isForFiles(message)) {
        await answerFiles(message, to);
      } else if (isOperation(message)) {
        const body = await readBody(message);
        const headers = readHeaders(message);
        if (acceptsStream(headers.accept)) {
          const isRoom = mayLast();
          lasting.add(socket);
          await answerStream({ headers, body, mayLast: isRoom }, to);
        } else {
          sendAnswer(await answerOperation({ headers, body, onlyQueries: false }), to);
        }
      } else {
        const request = await convertRequest(message);
        const response = request === null ? badHost() : await answerOther(request);
        await sendResponse(response, message.headers["accept-encoding"]?.toString(), to);
      }
      // The rest of a body that is too large: a client reads its answer when it has sent some of it
      if (!message.complete) setTimeout(() => message.destroy(), drainMs);
    } catch (error) {
      log.debug({ err: error }, "An answer was not sent");
      to.destroy();
    } finally {
      clearTimeout(timer);
      busy.delete(socket);
      lasting.delete(socket);
      if (isClosing) socket.destroySoon();
    }
  }

  let current: Server;
  try {
    current = await open(options.port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    const message = `Port ${options.port} of ${host} is in use by another program: ` +
      "stop that program, or set PORT to a free port";
    throw new Error(message, { cause: error });
  }
  const { port } = current.address() as AddressInfo;
  // What is sent to a port that others listen on may come to them
  const watch = options.sharedPort ? null : watchAccepts({ host, port }, {
    server: () => current,
    async relisten() {
      log.warn("Connections are not accepted any more: listening anew");
      retire(current);
      current = await open(port);
    },
  });

  return {
    port,
    async close() {
      isClosing = true;
      watch?.stop();
      const closed = [...servers.keys()].map((server) =>
        new Promise<void>((resolve) => server.close(() => resolve()))
      );
      // By ourselves: a connection that a file went out on does not count as idle for node:http under Deno
      for (const sockets of servers.values()) {
        for (const socket of sockets) if (!busy.has(socket)) socket.destroySoon();
      }
      await Promise.all(closed);
    },
    cut() {
      for (const server of servers.keys()) server.closeAllConnections();
    },
  };
}

function badHost(): Response {
  const errors = [{ message: "The Host header is malformed", extensions: { code: "INVALID" } }];
  return Response.json({ errors }, { status: 400, headers: { connection: "close" } });
}
