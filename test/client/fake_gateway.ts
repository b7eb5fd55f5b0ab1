import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** A request to the fake gateway. */
export interface FakeRequest {
  headers: IncomingMessage["headers"];
  query: string;
  variables: Record<string, unknown>;
}

/** A server that answers as a test wants it to. */
export interface FakeGateway extends AsyncDisposable {
  url: string;
  /** All requests so far. */
  requests: FakeRequest[];
}

/** Starts one on a free port. */
export async function startFakeGateway(
  answer: (request: FakeRequest, response: ServerResponse, number: number) => unknown,
): Promise<FakeGateway> {
  const requests: FakeRequest[] = [];
  const server = createServer(async (incoming, response) => {
    try {
      const { query, variables } = JSON.parse(await text(incoming));
      const request = { headers: incoming.headers, query, variables };
      requests.push(request);
      await answer(request, response, requests.length);
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers as the gateway does. */
export function answerJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/graphql-response+json", ...headers });
  response.end(JSON.stringify(body));
}

/** Answers an error as the gateway does. */
export function answerError(
  response: ServerResponse,
  code: string,
  status: number,
  headers: Record<string, string> = {},
): void {
  answerJson(
    response,
    { errors: [{ message: `It is ${code}`, extensions: { code } }] },
    status,
    headers,
  );
}
