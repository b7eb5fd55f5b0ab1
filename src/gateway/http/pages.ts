import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../shared/settings.ts";
import type { Adaptor } from "../database/adaptor.ts";
import { readWritePermissions } from "../database/table_permissions.ts";
import type { GraphqlServer } from "../graphql/graphql_server.ts";
import { renderApiDocs } from "../pages/render_api_docs.ts";
import type { GatewayContext } from "./context.ts";

/** What a page may load: nothing from elsewhere. It may not be in a frame either. */
function policyOf(...allowed: string[]): string {
  return [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    ...allowed,
  ].join("; ");
}

const homePolicy = policyOf("style-src 'self'");
/** It sends keys nowhere else. Its editor writes styles as it goes. */
const explorerPolicy = policyOf(
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
);

const types: Readonly<Record<string, string>> = {
  css: "text/css",
  html: "text/html",
  js: "text/javascript",
  json: "application/json",
};
/** What `/pages/…` answers. */
const files = new Set([
  "examples.json",
  "explorer.css",
  "explorer.js",
  "home.css",
  "tab_storage.js",
]);

async function readPageFile(name: string): Promise<string> {
  return await readFile(join(repositoryRoot, "src/gateway/pages", name), "utf8");
}

async function send(c: GatewayContext, name: string, policy: string): Promise<Response> {
  return c.body(await readPageFile(name), 200, {
    "content-type": `${types[name.split(".").at(-1) ?? ""]}; charset=utf-8`,
    "content-security-policy": policy,
    "cache-control": "no-cache",
  });
}

/** The page that says what this is, and where to go. */
export async function showHome(c: GatewayContext): Promise<Response> {
  return await send(c, "home.html", homePolicy);
}

/** The API explorer. */
export async function showExplorer(c: GatewayContext): Promise<Response> {
  return await send(c, "explorer.html", explorerPolicy);
}

/** A file that these pages load. */
export async function sendPageFile(c: GatewayContext): Promise<Response> {
  const name = c.req.param("file") ?? "";
  return files.has(name) ? await send(c, name, policyOf()) : await c.notFound();
}

/** The documentation of an API, and the policy that lets its own style and script run. */
interface Documentation {
  page: string;
  policy: string;
}

const documentations = new WeakMap<GraphqlServer, Promise<Documentation>>();

async function makeDocumentation(
  { schema, tables }: GraphqlServer,
  adaptor: Adaptor,
): Promise<Documentation> {
  const writes = await adaptor.introspectAs("curestry_member")(null, readWritePermissions);
  const [style, script] = await Promise.all(["docs.css", "docs.js"].map(readPageFile));
  const allow = (text = "") => `'sha256-${hash("sha256", text, "base64")}'`;
  return {
    page: renderApiDocs(schema, { tables, writes }, { style: style ?? "", script: script ?? "" }),
    policy: policyOf(`style-src ${allow(style)}`, `script-src ${allow(script)}`),
  };
}

/** The API's documentation: one file, which can be kept. It is made when it is first asked for. */
export async function showApiDocs(
  c: GatewayContext,
  server: GraphqlServer,
  adaptor: Adaptor,
): Promise<Response> {
  let made = documentations.get(server);
  if (made === undefined) {
    made = makeDocumentation(server, adaptor);
    documentations.set(server, made);
    made.catch(() => documentations.delete(server));
  }
  const { page, policy } = await made;
  return c.html(page, 200, { "content-security-policy": policy, "cache-control": "no-cache" });
}
