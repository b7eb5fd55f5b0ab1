import { Buffer } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { nextTurn } from "../turns.ts";
import { largestBodyBytes } from "./limit_body.ts";

/**
 * A request of node:http, as the Web has it, when all of it is there, or more than there may be.
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
  const headers = new Headers();
  const { rawHeaders } = message;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    headers.append(rawHeaders[n] ?? "", rawHeaders[n + 1] ?? "");
  }
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  const chunks = await readChunks(message);
  if (chunks.length > chunksOfATurn) await nextTurn();
  return new Request(url, { method, headers, body: Buffer.concat(chunks) });
}

/** To copy more chunks, of 64 KiB at most, takes milliseconds. */
const chunksOfATurn = 4;

/** The body, or as much of it as shows that it is too large; the rest is thrown away as it comes. */
function readChunks(message: IncomingMessage): Promise<Uint8Array[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array[]>();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const finish = () => resolve(chunks);
  message.on("data", (chunk: Uint8Array) => {
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

/** Sends an answer of the Web by node:http. Our answers are whole: none is a stream. */
export async function sendResponse(response: Response, to: ServerResponse): Promise<void> {
  const body = response.body === null ? null : new Uint8Array(await response.arrayBuffer());
  const headers: [string, string][] = [...response.headers];
  if (body !== null && !response.headers.has("content-length")) {
    headers.push(["content-length", String(body.byteLength)]);
  }
  to.writeHead(response.status, headers.flat());
  to.end(body ?? undefined);
}
