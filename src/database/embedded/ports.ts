import { createServer } from "node:net";

/**
 * Whether nothing listens on a port yet.
 *
 * @throws {Error} if the port cannot be used for another reason, such as a privileged number
 */
export async function isPortFree(host: string, port: number): Promise<boolean> {
  return await listenOnce(host, port) !== null;
}

/** A port that is free now; whoever wants it should be quick. */
export async function freePort(host: string): Promise<number> {
  return await listenOnce(host, 0) ?? await freePort(host);
}

async function listenOnce(host: string, port: number): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  const server = createServer();
  server.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") resolve(null);
    else reject(error);
  });
  server.listen({ host, port, exclusive: true }, () => {
    const address = server.address();
    server.close(() => resolve(typeof address === "object" && address ? address.port : port));
  });
  return await promise;
}
