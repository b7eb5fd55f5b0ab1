import { randomBytes } from "node:crypto";
import { loginUrl } from "../../src/database/urls.ts";
import type { TestDatabase } from "./database.ts";

/** What a test needs to know of an organization. */
export interface TestOrganization {
  id: string;
  slug: string;
  ownerUserId: number;
  ownerEmail: string;
}

let made = 0;

/** Makes an organization, with an owner of its own unless one is named. */
export async function makeOrganization(
  database: TestDatabase,
  options: { slug?: string; name?: string; owner?: string } = {},
): Promise<TestOrganization> {
  const slug = options.slug ?? `organization-${++made}`;
  const ownerEmail = options.owner ?? `owner@${slug}.example`;
  const [row] = await database.query<{ id: string; owner_user_id: number }>(
    "select id, owner_user_id from app.organization_create($1, $2, $3)",
    [slug, options.name ?? slug, ownerEmail],
  );
  if (!row) throw new Error(`The organization ${slug} was not made`);
  return { id: row.id, slug, ownerUserId: row.owner_user_id, ownerEmail };
}

/** Makes an operator's API key and answers its text. */
export async function makeKey(
  database: TestDatabase,
  organization: TestOrganization,
  scopes: string[],
): Promise<string> {
  const [row] = await database.query<{ key: string }>(
    "select key from app.api_key_create($1, null, $2, $3, null)",
    [organization.id, `key ${++made}`, scopes],
  );
  if (!row) throw new Error("The key was not made");
  return row.key;
}

/** Makes an analyst's login and answers its connection string, for `query(url, …)`. */
export async function makeAnalyst(
  database: TestDatabase,
  organizations: TestOrganization[],
): Promise<string> {
  const name = database.roleName(`analyst_${++made}`);
  const password = randomBytes(12).toString("hex");
  await database.query("select app.analyst_create($1, $2, $3)", [
    name,
    password,
    organizations.map(({ slug }) => slug),
  ]);
  return loginUrl(database.adminUrl, name, password);
}
