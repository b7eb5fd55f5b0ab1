/**
 * Opens websockets that subscribe, with the keys in turns, and prints "ready" when all of them listen; then counts
 * what they are told, until its end. It does as little as it can.
 *
 * Arguments: URL, a JSON file with keys, how many.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { WebSocket } from "ws";

const [url = "", file = "", count = ""] = process.argv.slice(2);
const keys: string[] = JSON.parse(await readFile(file, "utf8"));
const subscribe = JSON.stringify({
  id: "1",
  type: "subscribe",
  payload: {
    query:
      "subscription { promptChanged { cursor kind promptId prompt { id name tags updatedAt } } }",
  },
});
let told = 0;

function open(n: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/graphql`, "graphql-transport-ws");
    let isReady = false;
    socket.on("open", () => {
      const payload = { authorization: `Bearer ${keys[n % keys.length]}` };
      socket.send(JSON.stringify({ type: "connection_init", payload }));
    });
    socket.on("message", (data) => {
      if (isReady) told++;
      else if (String(data).includes('"connection_ack"')) socket.send(subscribe);
      else if (String(data).includes("READY")) {
        isReady = true;
        resolve();
      } else reject(new Error(String(data)));
    });
    socket.on("close", (code) => reject(new Error(`A websocket was closed with ${code}`)));
    socket.on("error", reject);
  });
}

process.on("SIGTERM", () => {
  console.log(JSON.stringify({ told }));
  process.exit(0);
});
const parallel = 50;
for (let n = 0; n < Number(count); n += parallel) {
  const length = Math.min(parallel, Number(count) - n);
  await Promise.all(Array.from({ length }, (_, m) => open(n + m)));
}
console.log("ready");
