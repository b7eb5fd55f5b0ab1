import { connect, type Socket } from "node:net";

/** What became of a connection. */
export interface SocketState {
  closed: boolean;
  received: string;
}

const sockets = new Set<Socket>();

/** Opens a connection and sends a piece of a request. */
export function sendPiece(url: string, text: string): SocketState {
  const state = { closed: false, received: "" };
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname, () => {
    if (text !== "") socket.write(text);
  });
  socket.setEncoding("utf8");
  socket.on("data", (data) => state.received += data);
  socket.on("error", () => {});
  socket.on("close", () => {
    state.closed = true;
    sockets.delete(socket);
  });
  sockets.add(socket);
  return state;
}

/** Closes those that are still open. */
export function closeAll(): void {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
}

const head = "POST /graphql HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n";

/** What clients send that are slow, and how: "one that …". */
export const slowRequests: readonly (readonly [how: string, text: string])[] = [
  ["says nothing", ""],
  ["does not end its header", `${head}X-Slow: `],
  ["does not end its body", `${head}Content-Length: 100\r\n\r\n{"query":`],
  ["does not end its chunks", `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"que\r\n`],
  ["has its answer and sends nothing more", "GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"],
];

/** A command that may have only so many files open. */
export function withOpenFiles(count: number, command: string[]): string[] {
  return ["sh", "-c", `ulimit -n ${count}; exec "$@"`, "sh", ...command];
}
