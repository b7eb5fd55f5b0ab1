import { connect, type Server, type Socket } from "node:net";

/** How often a connection to ourselves is tried, and how long until it must have been accepted. */
const checkIntervalMs = 5_000;
const acceptMs = 2_000;

/**
 * Watches that a server accepts connections. When the system has no file left for one, Deno's server
 * stops to accept, says nothing, and does not begin again.
 *
 * @param watched `server`: the one that listens now; `relisten`: puts another one in its place, and
 * is called again later if it fails
 */
export function watchAccepts(
  { host, port }: { host: string; port: number },
  { server, relisten }: { server(): Server; relisten(): Promise<void> },
): { stop(): void } {
  let checking = false;
  const timer = setInterval(() => void check(), checkIntervalMs);
  timer.unref();

  async function check(): Promise<void> {
    if (checking) return;
    checking = true;
    try {
      // The second time: a process that was busy may have let the time of the first go by
      if (await isDeaf() && await isDeaf()) await relisten();
    } catch {
      // Still no file left: at the next check
    } finally {
      checking = false;
    }
  }

  /** Whether a connection comes about, by the system, that the server does not get to see. */
  async function isDeaf(): Promise<boolean> {
    const listening = server();
    const ports = new Set<number | undefined>();
    const note = ({ remotePort }: Socket) => ports.add(remotePort);
    listening.on("connection", note);
    const probe = connect(port, host === "0.0.0.0" || host === "::" ? "localhost" : host);
    try {
      const localPort = await new Promise<number | "refused" | undefined>((resolve) => {
        probe.once("connect", () => resolve(probe.localPort));
        probe.once("error", ({ code }: NodeJS.ErrnoException) => {
          resolve(code === "ECONNREFUSED" ? "refused" : undefined);
        });
      });
      // Nobody listens: there was no file left for the one that was to take the place of the last
      if (localPort === "refused") return true;
      if (localPort === undefined) return false;
      for (let waited = 0; waited < acceptMs; waited += 50) {
        if (ports.has(localPort)) return false;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return !ports.has(localPort);
    } finally {
      probe.destroy();
      listening.off("connection", note);
    }
  }

  return { stop: () => clearInterval(timer) };
}
