import { Hono } from "hono";
import type { AppParts } from "./app_parts.ts";
import type { GatewayApp, GatewayContext } from "./context.ts";
import { corsHeaders, preflightHeaders } from "./cors.ts";
import { sendPageFile, showApiDocs, showExplorer, showHome } from "./pages.ts";
import { readQuery } from "./read_query.ts";
import type { AnswerOperation } from "./answer_operation.ts";
import { refusal, refusedRequest, sendRefusal } from "./refuse.ts";
import { chooseRequestId } from "./request_id.ts";
import { withSession } from "./with_session.ts";

/**
 * Makes the application: all that is asked over HTTP.
 *
 * @param answerOperation the way of POST /graphql, which most requests take without coming here
 */
export function makeApp(parts: AppParts, answerOperation: AnswerOperation): GatewayApp {
  const { corsOrigins, log, health, metrics, noteRequest, sessions } = parts;
  const app: GatewayApp = new Hono();

  async function sendOperation(
    c: GatewayContext,
    body: Uint8Array,
    onlyQueries: boolean,
  ): Promise<Response> {
    const { status, headers, body: content } = await answerOperation({
      headers: {
        ...c.req.header(),
        ...(onlyQueries ? { "content-type": "application/json" } : {}),
      },
      body,
      onlyQueries,
    });
    return new Response(content, { status, headers });
  }

  app.post(
    "/graphql",
    async (c) => await sendOperation(c, new Uint8Array(await c.req.raw.arrayBuffer()), false),
  );
  app.get("/graphql", async (c, next) => {
    const body = readQuery(new URL(c.req.url).searchParams);
    return body === null ? await next() : await sendOperation(c, body, true);
  });

  app.use(async (c, next) => {
    const startedAt = performance.now();
    const { method, path } = c.req;
    const requestId = chooseRequestId(c.req.header("x-request-id"));
    c.set("requestId", requestId);
    await next();
    const shown = corsHeaders(corsOrigins, c.req.header("origin"));
    for (const [name, value] of Object.entries(shown)) c.header(name, value);
    c.header("x-request-id", requestId);
    c.header("x-content-type-options", "nosniff");
    const { status } = c.res;
    const { credential, codes } = c.var;
    noteRequest({ requestId, method, path, status, startedAt, credential, codes });
  });

  app.options("*", async (c, next) => {
    const headers = preflightHeaders(corsOrigins, c.req.header("origin"));
    return headers === null ? await next() : c.body(null, 204, headers);
  });

  app.get("/", showHome);
  app.get("/livez", (c) => c.json({ status: "alive" }));
  app.get("/readyz", async (c) => {
    const { status, body } = await health.readReadiness();
    return c.json(body, status);
  });
  app.get("/health", async (c) => {
    const { status, body } = await health.readHealth();
    return c.json(body, status);
  });
  app.get("/metrics", async (c) => {
    const { text, contentType } = await metrics.read();
    return c.body(text, 200, { "content-type": contentType });
  });

  const refuseMethod = (c: GatewayContext) => {
    c.header("allow", "GET, POST");
    return sendRefusal(c, refusal(405, "INVALID", "Send the operation by POST", refusedRequest(c)));
  };
  app.get("/graphql", (c) => {
    if (/\btext\/html\b/.test(c.req.header("accept") ?? "")) return showExplorer(c);
    const message = "Send the operation by POST, or a query as ?query=";
    return sendRefusal(c, refusal(400, "INVALID", message, refusedRequest(c)));
  });
  app.all("/graphql", (c) => refuseMethod(c));
  app.get("/ruru", showExplorer);
  const membersApi = () => parts.serverOf("curestry_member");
  app.get("/ruru-static/*", async (c) => await (await membersApi()).sendExplorerFile(c.req.raw));
  app.get("/pages/:file", sendPageFile);
  app.get("/docs", async (c) => {
    if (!parts.documents.areRequired) {
      return await showApiDocs(c, await membersApi(), parts.adaptor);
    }
    const message = "This gateway runs registered documents, and shows no documentation";
    return sendRefusal(c, refusal(403, "FORBIDDEN", message, refusedRequest(c)));
  });

  app.post("/auth/refresh", (c) =>
    withSession(c, parts, async (jwtId) => {
      c.header("cache-control", "no-store");
      return c.json(await sessions.refresh(jwtId, c.get("requestId")));
    }));
  app.post("/auth/sign-out", (c) =>
    withSession(c, parts, async (jwtId) => {
      await sessions.signOut(jwtId, c.get("requestId"));
      return c.body(null, 204);
    }));

  app.get("/favicon.ico", (c) => c.body(null, 204));

  app.notFound((c) => c.json({ error: "not found" }, 404));
  app.onError((error, c) => {
    log.error({ err: error, requestId: c.get("requestId") }, "Internal error");
    return c.json({ error: "internal error", requestId: c.get("requestId") }, 500);
  });
  return app;
}
