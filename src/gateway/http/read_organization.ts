import { GatewayError } from "../gateway_error.ts";
import type { GatewayContext } from "./context.ts";

const longestSlugLength = 100;

/**
 * The slug of the organization that a request chose, null if it chose none.
 *
 * @throws GatewayError with code FORBIDDEN
 */
export function readOrganization(c: GatewayContext): string | null {
  const slug = c.req.header("x-curestry-organization");
  if (slug === undefined) return null;
  if (slug.length === 0 || slug.length > longestSlugLength) {
    throw new GatewayError(
      "FORBIDDEN",
      "X-Curestry-Organization must be the slug of your organization",
    );
  }
  return slug;
}
