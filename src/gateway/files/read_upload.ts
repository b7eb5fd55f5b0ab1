import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ClientGone, FileError } from "./file_error.ts";

/** How a body is read. */
export interface UploadOptions {
  /** The header Content-Encoding. */
  encoding: string | undefined;
  /** Bytes at most, when they are decompressed. */
  maxBytes: number;
  /** How long a client may send nothing while it is read, in milliseconds. */
  idleMs: number;
}

/** The bytes of a body that is too large. */
export function tooLarge(maxBytes: number): FileError {
  return new FileError(413, "LIMIT", `An import may have ${maxBytes} bytes; send it in parts`);
}

/**
 * The body of a request as it comes, decompressed; no faster than it is taken.
 *
 * @throws FileError, or when the client ends before its request
 */
export function readUpload(
  message: IncomingMessage,
  { encoding = "identity", maxBytes, idleMs }: UploadOptions,
): AsyncIterable<Uint8Array> {
  if (encoding !== "identity" && encoding !== "gzip") {
    throw new FileError(415, "INVALID", "Content-Encoding: must be gzip, or not be there");
  }
  if (Number(message.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  return read();

  async function* read(): AsyncGenerator<Uint8Array> {
    let source: Readable = message;
    if (encoding === "gzip") {
      const gunzip = createGunzip();
      message.on("error", (error) => gunzip.destroy(error));
      message.on("close", () => {
        if (!message.complete) {
          gunzip.destroy(new ClientGone("The client ended before its request"));
        }
      });
      source = message.pipe(gunzip);
    }
    const chunks = source[Symbol.asyncIterator]();
    let size = 0;
    for (;;) {
      const timer = setTimeout(
        () => message.destroy(new ClientGone("The client sends nothing")),
        idleMs,
      );
      let next: IteratorResult<Uint8Array>;
      try {
        next = await chunks.next();
      } catch (error) {
        if (String((error as NodeJS.ErrnoException).code).startsWith("Z_")) {
          throw new FileError(400, "INVALID", "The body is not what gzip writes");
        }
        throw new ClientGone("The client ended before its request", { cause: error });
      } finally {
        clearTimeout(timer);
      }
      if (next.done) break;
      size += next.value.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      yield next.value;
    }
    if (!message.complete) throw new ClientGone("The client ended before its request");
  }
}
