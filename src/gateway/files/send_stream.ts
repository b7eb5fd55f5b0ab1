import { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { Writable } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { ClientGone } from "./file_error.ts";
import { chooseEncoding } from "../http/compress.ts";

/** Where a file is written to, piece by piece. */
export interface FileStream {
  /** Resolves when the next piece may come. @throws when the client is gone, or too slow */
  write(data: string | Uint8Array): Promise<void>;
  /** The file is whole. */
  end(): Promise<void>;
  /** It is not: the client is to see that it broke off. */
  abort(): void;
}

/** How an answer is sent. */
export interface StreamOptions {
  status: number;
  headers: Record<string, string>;
  /** The header Accept-Encoding; null: the file is compressed already. */
  acceptEncoding: string | null;
  /** How long a client may take nothing, in milliseconds. */
  idleMs: number;
  /** What may wait for the client to take it. */
  bufferBytes: number;
}

/** A reader must take such a piece in the time that a client has. */
const pieceBytes = 64 * 1024;
/** Of brotli, see compress.ts. */
const brotliQuality = 4;

/** Begins an answer that is sent as it is made, no faster than the client takes it. */
export function sendStream(to: ServerResponse, options: StreamOptions): FileStream {
  const { headers, idleMs, bufferBytes } = options;
  const encoding = options.acceptEncoding === null ? null : chooseEncoding(options.acceptEncoding);
  const sent = { ...headers };
  if (options.acceptEncoding !== null) {
    sent.vary = sent.vary === undefined ? "accept-encoding" : `${sent.vary}, accept-encoding`;
  }
  if (encoding !== null) sent["content-encoding"] = encoding;
  to.writeHead(options.status, sent);
  const encoder = encoding === null
    ? null
    : encoding === "gzip"
    ? createGzip({ level: 4 })
    : createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } });
  encoder?.pipe(to);
  const stream: Writable = encoder ?? to;
  let isGone = to.destroyed;
  let wake = () => {};
  const leave = () => {
    isGone = true;
    wake();
  };
  to.on("close", leave);
  to.on("error", leave);
  stream.on("drain", () => wake());
  stream.on("error", leave);

  /** Waits until something happens to the stream, as long as the client goes on taking. */
  async function wait(happens: (resolve: () => void) => void): Promise<void> {
    if (isGone) throw new ClientGone("The client is gone");
    let waiting = stream.writableLength;
    const timer = setInterval(() => {
      if (stream.writableLength === waiting) abort();
      waiting = stream.writableLength;
    }, idleMs);
    await new Promise<void>((resolve) => {
      wake = resolve;
      happens(resolve);
    });
    clearInterval(timer);
  }

  function abort(): void {
    leave();
    encoder?.destroy();
    to.destroy();
    to.socket?.destroy();
  }

  return {
    async write(data) {
      const bytes = typeof data === "string" ? Buffer.from(data) : data;
      for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
        if (isGone) throw new ClientGone("The client is gone");
        const isTaken = stream.write(bytes.subarray(at, at + pieceBytes));
        if (!isTaken && stream.writableLength > bufferBytes) await wait(() => {});
      }
      if (isGone) throw new ClientGone("The client is gone, or takes nothing");
    },
    async end() {
      await wait((resolve) => {
        to.on("finish", resolve);
        stream.end();
      });
    },
    abort,
  };
}
