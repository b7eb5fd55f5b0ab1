/**
 * Sends requests over connections that are kept, each as soon as the answer to the last one is there, and
 * prints how many were answered as `{"answered": N, "seconds": S}`. It does as little as it can:
 * whatever it costs is taken from those that it measures.
 *
 * Arguments: URL, a JSON file with [{"path", "key", "body"}] that are sent in turns, connections, seconds.
 * Ends with 1 when an answer is not one of success.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";

const [url = "", file = "", connections = "", seconds = ""] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const requests = (JSON.parse(await readFile(file, "utf8")) as Record<string, string>[])
  .map(({ path, key, body = "" }) =>
    encoder.encode(
      `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${
          encoder.encode(body).length
        }\r\n\r\n${body}`,
    )
  );
const endsAt = performance.now() + Number(seconds) * 1000;
let next = 0;
let answered = 0;

async function send(): Promise<void> {
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const buffer = new Uint8Array(64 * 1024);
  while (performance.now() < endsAt) {
    const request = requests[next++ % requests.length]!;
    for (let sent = 0; sent < request.length;) {
      sent += await connection.write(request.subarray(sent));
    }
    await readAnswer(connection, buffer);
    answered++;
  }
  connection.close();
}

/** Reads one answer, up to its content-length or its last chunk; its head fits into the buffer. */
async function readAnswer(connection: Deno.Conn, buffer: Uint8Array): Promise<void> {
  let length = 0;
  async function read(at: number): Promise<void> {
    const count = await connection.read(buffer.subarray(at));
    if (count === null) throw new Error("The connection was closed");
    length += count;
  }
  let text = "";
  let bodyStart = -1;
  while (bodyStart < 0) {
    await read(length);
    text = decoder.decode(buffer.subarray(0, length));
    bodyStart = text.indexOf("\r\n\r\n") + 4;
    if (bodyStart < 4) bodyStart = -1;
  }
  if (!text.startsWith("HTTP/1.1 200") || text.includes('"errors":')) throw new Error(text);
  const bodyBytes = /^content-length: (\d+)\r$/im.exec(text)?.[1];
  if (bodyBytes !== undefined) {
    // The head is measured in characters; it is ASCII
    while (length < bodyStart + Number(bodyBytes)) await read(0);
  } else {
    const isLast = () => decoder.decode(buffer.subarray(length - 5, length)) === "0\r\n\r\n";
    while (!isLast()) await read(length);
  }
}

const start = performance.now();
await Promise.all(Array.from({ length: Number(connections) }, send));
console.log(JSON.stringify({ answered, seconds: (performance.now() - start) / 1000 }));
