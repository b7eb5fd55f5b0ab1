import { GatewayError } from "../gateway_error.ts";

const longestSlugLength = 100;

/**
 * The slug of the organization that a request chose, null if it chose none.
 *
 * @param slug the header X-Curestry-Organization
 * @throws GatewayError with code FORBIDDEN
 */
export function readOrganization(slug: string | undefined): string | null {
  if (slug === undefined) return null;
  if (slug.length === 0 || slug.length > longestSlugLength) {
    throw new GatewayError(
      "FORBIDDEN",
      "X-Curestry-Organization must be the slug of your organization",
    );
  }
  return slug;
}
