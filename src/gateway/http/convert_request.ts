import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { nextTurn } from "../turns.ts";
import type { Answer } from "../answer.ts";
import { compress } from "./compress.ts";
import { largestBodyBytes } from "./answer_operation.ts";

/** The hosts and the target of nearly all requests. */
const usualHost = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/** Whether a request is one to run an operation, and nothing about it is unusual. */
export function isOperation({ method, url, headers }: IncomingMessage): boolean {
  return method === "POST" && url === "/graphql" &&
    (headers.host === undefined || usualHost.test(headers.host));
}

/** The headers of a request, names in small letters; one that was sent twice has both, with a comma. */
export function readHeaders({ rawHeaders }: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n]!.toLowerCase();
    const value = rawHeaders[n + 1] ?? "";
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}

/**
 * The body of a request, when all of it is there, or more than there may be.
 *
 * @throws when the client ends before its request
 */
export async function readBody(message: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks = await readChunks(message);
  if (chunks.length > chunksOfATurn) await nextTurn();
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/**
 * A request of node:http, as the Web has it.
 *
 * @returns null if the Host header is no host
 * @throws when the client ends before its request
 */
export async function convertRequest(message: IncomingMessage): Promise<Request | null> {
  const host = message.headers.host ?? "localhost";
  const { url: target = "/", method = "GET" } = message;
  // Some clients send the whole URL, as to a proxy
  const url = /^https?:\/\//i.test(target) ? target : `http://${host}${target}`;
  if (/[/\\?#@\s]/.test(host) || !URL.canParse(url)) return null;
  const headers = readHeaders(message);
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  return new Request(url, { method, headers, body: await readBody(message) });
}

/** To copy more chunks, of 64 KiB at most, takes milliseconds. */
const chunksOfATurn = 4;

/** The body, or as much of it as shows that it is too large; the rest is thrown away as it comes. */
function readChunks(message: IncomingMessage): Promise<Uint8Array<ArrayBuffer>[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>[]>();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const finish = () => resolve(chunks);
  message.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
    if (size > largestBodyBytes) return;
    size += chunk.byteLength;
    chunks.push(chunk);
    if (size > largestBodyBytes) finish();
  });
  message.on("end", finish);
  message.on("error", reject);
  message.on("close", () => reject(new Error("The client ended before its request")));
  return promise;
}

/** Sends an answer in one piece. */
export function sendAnswer({ status, headers, body }: Answer, to: ServerResponse): void {
  if (body !== null) headers["content-length"] = String(Buffer.byteLength(body));
  to.writeHead(status, headers);
  to.end(body ?? undefined);
}

/**
 * Sends an answer of the Web by node:http, compressed if that was asked for. Our answers are whole: none is
 * a stream.
 */
export async function sendResponse(
  response: Response,
  acceptEncoding: string | undefined,
  to: ServerResponse,
): Promise<void> {
  const body = response.body === null ? null : new Uint8Array(await response.arrayBuffer());
  const headers = Object.fromEntries(response.headers);
  sendAnswer(await compress({ status: response.status, headers, body }, acceptEncoding), to);
}
