/** What browsers may send from another origin, and what scripts there may read. */
const allowedHeaders =
  "authorization, content-type, x-api-key, x-curestry-organization, x-request-id, traceparent";
const exposedHeaders =
  "x-request-id, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, etag";
const preflightAgeSeconds = 86_400;

/** Which other origins browsers may call from: `*` for all. */
export type CorsOrigins = readonly string[];

/**
 * The headers that let a browser show an answer to a script of another origin.
 *
 * @param origin the header Origin
 * @returns none if that origin may not call; credentials are in headers that scripts set, never cookies
 */
export function corsHeaders(
  origins: CorsOrigins,
  origin: string | undefined,
): Record<string, string> {
  if (origins.length === 0) return {};
  const isForAll = origins.includes("*");
  const headers: Record<string, string> = isForAll ? {} : { vary: "origin" };
  if (origin === undefined || !isForAll && !origins.includes(origin)) return headers;
  return {
    ...headers,
    "access-control-allow-origin": isForAll ? "*" : origin,
    "access-control-expose-headers": exposedHeaders,
  };
}

/**
 * The answer's headers to a browser that asks whether it may send a request.
 *
 * @returns null if the origin may not call
 */
export function preflightHeaders(
  origins: CorsOrigins,
  origin: string | undefined,
): Record<string, string> | null {
  const headers = corsHeaders(origins, origin);
  if (headers["access-control-allow-origin"] === undefined) return null;
  return {
    ...headers,
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": String(preflightAgeSeconds),
  };
}
