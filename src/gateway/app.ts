import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import type { Adaptor, RequestRole } from "./adaptor.ts";
import type { Credential, ReadCredential } from "./credentials.ts";
import type { ErrorMapper } from "./errors.ts";
import type { ErrorCode } from "../error_codes.ts";
import { GatewayError, refused } from "./gateway_error.ts";
import type { GraphqlServer } from "./graphql_server.ts";
import type { Health } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import type { OwnFeatures } from "./own_features.ts";
import { BodyError, readBody } from "./read_body.ts";
import type { Sessions } from "./sessions.ts";

/** What the application is made of. */
export interface AppParts {
  adaptor: Adaptor;
  errors: ErrorMapper;
  health: Health;
  metrics: Metrics;
  /** Notes the use of the API; does not make the request wait. */
  ownFeatures: OwnFeatures;
  readCredential: ReadCredential;
  /** Notes that an API key was used; does not make the request wait. */
  noteKeyUse(hash: string): void;
  sessions: Sessions;
  /** The API as a role sees it; may build it, and throw when that fails. */
  serverOf(role: RequestRole): Promise<GraphqlServer>;
  log: Logger;
}

interface Variables {
  requestId: string;
  /** For the access log. */
  credential?: string;
  codes?: readonly ErrorCode[];
}

type GatewayContext = Context<{ Variables: Variables }>;

/** The gateway's HTTP application. */
export type GatewayApp = Hono<{ Variables: Variables }>;

/** A batch of 100 analyses, with prompts of up to 1 MiB among them. */
const largestBody = 2 * 1024 * 1024;
const requestIdPattern = /^[\w.:/+=@-]{1,128}$/;
const longestSlug = 100;
/** Of no interest in the log: asked every second, or thirty times for one page. */
const quietPaths = /^\/(livez|readyz|health|metrics|favicon\.ico|ruru-static\/.*)$/;
/** The explorer loads nothing from elsewhere, sends keys nowhere else, and is in nobody's frame. */
const explorerPolicy = [
  "default-src 'self'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Makes the application: requests in, one operation each, answers out. */
export function makeApp(parts: AppParts): GatewayApp {
  const { log, health, metrics } = parts;
  const app: GatewayApp = new Hono();

  app.use(async (c, next) => {
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && requestIdPattern.test(given) ? given : randomUUID();
    c.set("requestId", requestId);
    const start = performance.now();
    await next();
    c.header("x-request-id", requestId);
    c.header("x-content-type-options", "nosniff");
    const seconds = (performance.now() - start) / 1000;
    metrics.countRequest(c.req.method, c.res.status, seconds);
    metrics.countErrors(c.get("codes") ?? []);
    const level = quietPaths.test(c.req.path) ? "debug" : "info";
    log[level]({
      requestId,
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(seconds * 10_000) / 10,
      credential: c.get("credential"),
      errors: c.get("codes"),
    }, "request");
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

  app.post(
    "/graphql",
    bodyLimit({
      maxSize: largestBody,
      onError: (c) =>
        refuse(c as GatewayContext, 413, "LIMIT", `A request may have ${largestBody} bytes`),
    }),
    (c) => runOperation(c, parts),
  );
  const explore = async (c: GatewayContext) => {
    const page = await (await parts.serverOf("curestry_member")).explore(c.req.raw);
    page.headers.set("content-security-policy", explorerPolicy);
    return page;
  };
  app.get("/graphql", (c) => {
    if (/\btext\/html\b/.test(c.req.header("accept") ?? "")) return explore(c);
    c.header("allow", "POST");
    return refuse(c, 405, "INVALID", "Send the operation by POST");
  });
  app.all("/graphql", (c) => {
    c.header("allow", "GET, POST");
    return refuse(c, 405, "INVALID", "Send the operation by POST");
  });
  app.get("/ruru", explore);
  app.get("/ruru-static/*", explore);

  app.post("/auth/refresh", (c) =>
    withSession(c, parts, async (jwtId) => {
      c.header("cache-control", "no-store");
      return c.json(await parts.sessions.refresh(jwtId, c.get("requestId")));
    }));
  app.post("/auth/sign-out", (c) =>
    withSession(c, parts, async (jwtId) => {
      await parts.sessions.signOut(jwtId, c.get("requestId"));
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

/** The credential first, then everything else: who is refused learns nothing about the schema. */
async function runOperation(c: GatewayContext, parts: AppParts): Promise<Response> {
  const requestId = c.get("requestId");
  let database;
  try {
    const credential = await parts.readCredential(c.req.header("authorization") ?? null);
    c.set("credential", nameOf(credential));
    const body = await readBody(c.req.raw);
    const role = credential.kind === "none" ? "curestry_anonymous" : "curestry_member";
    const server = await parts.serverOf(role);
    const caller = {
      jwtId: credential.kind === "session" ? credential.jwtId : null,
      keyHash: credential.kind === "key" ? credential.hash : null,
      organization: readOrganization(c),
    };
    database = parts.adaptor.openRequest({ ...caller, role, requestId });
    if (role === "curestry_member") await database.verify();
    if (credential.kind === "key") parts.noteKeyUse(credential.hash);
    const { response, codes, used } = await server.handle(c.req.raw, body, database, requestId);
    if (role === "curestry_member") parts.ownFeatures.note(caller, used);
    if (codes.length > 0) c.set("codes", codes);
    return response;
  } catch (error) {
    if (error instanceof BodyError) return refuse(c, error.status, error.code, error.message);
    const { message, extensions } = await parts.errors.toClientError(error, requestId);
    return refuse(c, statuses[extensions.code] ?? 500, extensions.code, message);
  } finally {
    database?.finish();
  }
}

/** What only a person who has signed in can do, with the session itself. */
async function withSession(
  c: GatewayContext,
  parts: AppParts,
  work: (jwtId: string) => Promise<Response>,
): Promise<Response> {
  try {
    const credential = await parts.readCredential(c.req.header("authorization") ?? null);
    c.set("credential", nameOf(credential));
    if (credential.kind !== "session") throw refused();
    return await work(credential.jwtId);
  } catch (error) {
    const { message, extensions } = await parts.errors.toClientError(error, c.get("requestId"));
    return refuse(c, statuses[extensions.code] ?? 500, extensions.code, message);
  }
}

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  UNAVAILABLE: 503,
};

/** An answer in the form of GraphQL to a request that did not get as far. */
function refuse(c: GatewayContext, status: number, code: ErrorCode, message: string): Response {
  c.set("codes", [code]);
  if (status === 401) c.header("www-authenticate", "Bearer");
  if (status === 503) c.header("retry-after", "1");
  const extensions = code === "INTERNAL" ? { code, requestId: c.get("requestId") } : { code };
  const accepted = c.req.header("accept") ?? "";
  c.header(
    "content-type",
    accepted.includes("application/graphql-response+json")
      ? "application/graphql-response+json;charset=utf-8"
      : "application/json;charset=utf-8",
  );
  return c.body(JSON.stringify({ errors: [{ message, extensions }] }), { status: status as 400 });
}

function readOrganization(c: GatewayContext): string | null {
  const slug = c.req.header("x-curestry-organization");
  if (slug === undefined) return null;
  if (slug.length === 0 || slug.length > longestSlug) {
    throw new GatewayError(
      "FORBIDDEN",
      "X-Curestry-Organization must be the slug of your organization",
    );
  }
  return slug;
}

function nameOf(credential: Credential): string {
  return credential.kind === "key" ? `key ${credential.keyId}` : credential.kind;
}
