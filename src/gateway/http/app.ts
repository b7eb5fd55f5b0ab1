import { Hono } from "hono";
import { accessLog } from "./access_log.ts";
import type { AppParts } from "./app_parts.ts";
import type { GatewayApp, GatewayContext } from "./context.ts";
import { countRequests } from "./count_requests.ts";
import { explore } from "./explorer.ts";
import { limitBody } from "./limit_body.ts";
import { refuse } from "./refuse.ts";
import { requestId } from "./request_id.ts";
import { runOperation } from "./run_operation.ts";
import { securityHeaders } from "./security_headers.ts";
import { withSession } from "./with_session.ts";

/** Makes the application: requests in, one operation each, answers out. */
export function makeApp(parts: AppParts): GatewayApp {
  const { log, health, metrics, sessions } = parts;
  const app: GatewayApp = new Hono();

  app.use(accessLog(log), countRequests(metrics), requestId(), securityHeaders());

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
  app.post("/graphql", limitBody(), (c) => runOperation(c, parts));
  app.get("/graphql", (c) => {
    if (/\btext\/html\b/.test(c.req.header("accept") ?? "")) return showExplorer(c);
    c.header("allow", "POST");
    return refuse(c, 405, "INVALID", "Send the operation by POST");
  });
  app.all("/graphql", (c) => {
    c.header("allow", "GET, POST");
    return refuse(c, 405, "INVALID", "Send the operation by POST");
  });
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
