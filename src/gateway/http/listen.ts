/**
 * Listens for requests.
 *
 * @param port 0 takes any free one
 * @throws {Error} if the port is taken
 */
export function listen(
  { host, port }: { host: string; port: number },
  handler: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: host, port, onListen: () => {} }, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    const message = `Port ${port} of ${host} is in use by another program: ` +
      "stop that program, or set PORT to a free port";
    throw new Error(message, { cause: error });
  }
}
