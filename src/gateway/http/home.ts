import type { GatewayContext } from "./context.ts";

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Curestry</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  main { max-width: 40rem; margin: 10vh auto; padding: 0 1rem }
  dt { margin-top: 1rem; font-weight: 600 }
  dd { margin: 0 }
</style>
<main>
<h1>Curestry</h1>
<p>The data platform for AI prompts, their analyses and what judges say of them.</p>
<dl>
<dt><a href="ruru">API explorer</a></dt>
<dd>Write a query, with an API key or a session token as <code>Authorization: Bearer …</code></dd>
<dt><code>/graphql</code></dt>
<dd>The API: GraphQL over HTTP, by POST, and by GET for queries</dd>
<dt><code>/export/…</code>, <code>/import/…</code></dt>
<dd>Prompts, analyses, scores, metrics and marts as files: CSV, JSON Lines, Parquet</dd>
<dt><a href="health">Health</a></dt>
<dd>For people and monitors; <a href="livez">livez</a> and <a href="readyz">readyz</a> are for process managers</dd>
<dt><a href="metrics">Metrics</a></dt>
<dd>In Prometheus' text format</dd>
</dl>
</main>
</html>
`;
const contentSecurityPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/** The page that says what this is, and where to go. */
export function showHome(c: GatewayContext): Response {
  return c.html(page, 200, { "content-security-policy": contentSecurityPolicy });
}
