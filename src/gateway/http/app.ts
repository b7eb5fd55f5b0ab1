import { Hono } from "hono";
import type { AppParts } from "./app_parts.ts";
import type { GatewayApp, GatewayContext } from "./context.ts";
import { explore } from "./explorer.ts";
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
  const { log, health, metrics, noteRequest, sessions } = parts;
  const app: GatewayApp = new Hono();

  app.post("/graphql", async (c) => {
    const { status, headers, body } = await answerOperation({
      headers: c.req.header(),
      body: new Uint8Array(await c.req.raw.arrayBuffer()),
    });
    return new Response(body, { status, headers });
  });

  app.use(async (c, next) => {
    const startedAt = performance.now();
    const { method, path } = c.req;
    const requestId = chooseRequestId(c.req.header("x-request-id"));
    c.set("requestId", requestId);
    await next();
    c.header("x-request-id", requestId);
    c.header("x-content-type-options", "nosniff");
    const { status } = c.res;
    const { credential, codes } = c.var;
    noteRequest({ requestId, method, path, status, startedAt, credential, codes });
  });

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

  const showExplorer = async (c: GatewayContext) =>
    await explore(c, await parts.serverOf("curestry_member"));
  const refuseMethod = (c: GatewayContext, allowed: string) => {
    c.header("allow", allowed);
    return sendRefusal(c, refusal(405, "INVALID", "Send the operation by POST", refusedRequest(c)));
  };
  app.get("/graphql", (c) => {
    if (/\btext\/html\b/.test(c.req.header("accept") ?? "")) return showExplorer(c);
    return refuseMethod(c, "POST");
  });
  app.all("/graphql", (c) => refuseMethod(c, "GET, POST"));
  app.get("/ruru", showExplorer);
  app.get("/ruru-static/*", showExplorer);

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
