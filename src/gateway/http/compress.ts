import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { type Answer, withVary } from "../answer.ts";

const gzipAsync = promisify(gzip);
const brotliAsync = promisify(brotliCompress);

/** A shorter body fits into one packet as it is. */
const smallestBytes = 1_400;
/** Of brotli; the default is made for files that are compressed once, and takes a hundred times longer. */
const brotliQuality = 4;
/** Answers that are compressed at once: more would take the processor from the requests of others. */
const mostAtOnce = 1;
let underWay = 0;
const compressible =
  /^(text\/|application\/(json|javascript|graphql-response\+json|xml)|image\/svg)/;

/**
 * Compresses the body of an answer, on another thread, if that was asked for, pays, and no other answer is
 * being compressed.
 *
 * @param acceptEncoding the header
 */
export async function compress(
  answer: Answer,
  acceptEncoding: string | undefined,
): Promise<Answer> {
  const { body, headers } = answer;
  if (acceptEncoding === undefined || body === null || body.length < smallestBytes) return answer;
  if (headers["content-encoding"] || !compressible.test(headers["content-type"] ?? "")) {
    return answer;
  }
  const encoding = chooseEncoding(acceptEncoding);
  if (encoding === null || underWay >= mostAtOnce) return answer;
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  let compressed: Buffer;
  underWay++;
  try {
    compressed = encoding === "br"
      ? await brotliAsync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } })
      : await gzipAsync(bytes);
  } finally {
    underWay--;
  }
  return {
    ...answer,
    headers: { ...withVary(headers, "accept-encoding"), "content-encoding": encoding },
    body: new Uint8Array(compressed),
  };
}

/** RFC 9110, 12.5.3: a coding may have a weight, and 0 forbids it. */
export function chooseEncoding(accepted: string): "br" | "gzip" | null {
  const weights = new Map(
    accepted.toLowerCase().split(",").map((part) => {
      const [name = "", ...parameters] = part.split(";").map((text) => text.trim());
      const weight = parameters.find((text) => text.startsWith("q="))?.slice(2);
      return [name, weight === undefined ? 1 : Number(weight)];
    }),
  );
  const weightOf = (name: string) => weights.get(name) ?? weights.get("*") ?? 0;
  const [br, zip] = [weightOf("br"), weightOf("gzip")];
  if (!(br > 0) && !(zip > 0)) return null;
  return br >= zip ? "br" : "gzip";
}
