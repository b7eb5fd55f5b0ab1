import type { Client } from "pg";

/** What we need to know of a server before we use it. */
export interface ServerVersion {
  /** As PostgreSQL counts: 150014 is 15.14. */
  number: number;
  major: number;
  /** For people: "15.14". */
  text: string;
  /** Why this version, although it works, should be replaced soon. */
  warning: string | null;
}

/** The oldest version that has all that the schema uses. */
const oldestSupportedMajor = 15;

/**
 * The first releases without CVE-2025-8713: before them, the optimizer's statistics tell what row
 * level security hides. Later majors never had it.
 */
const firstSafeMinorByMajor: Partial<Record<number, number>> = { 15: 14, 16: 10, 17: 6 };

/**
 * Checks a server's version.
 *
 * @throws {Error} if it is too old
 */
export async function checkServer(client: Client): Promise<ServerVersion> {
  const { rows } = await client.query<{ number: number }>(
    "select pg_catalog.current_setting('server_version_num')::int as number",
  );
  return judgeVersion(rows[0]?.number ?? 0);
}

/**
 * What to make of a version.
 *
 * @param number as in the setting `server_version_num`
 * @throws {Error} if it is too old
 */
export function judgeVersion(number: number): ServerVersion {
  const major = Math.floor(number / 10_000);
  const minor = number % 10_000;
  const text = `${major}.${minor}`;
  if (major < oldestSupportedMajor) {
    throw new Error(
      `The database server is PostgreSQL ${text}; Curestry needs ${oldestSupportedMajor} or later: ` +
        "upgrade it, or unset DATABASE_URL to use the embedded one",
    );
  }
  const safe = firstSafeMinorByMajor[major];
  const warning = safe !== undefined && minor < safe
    ? `PostgreSQL ${text} has CVE-2025-8713: its statistics tell what row level security hides; ` +
      `upgrade to ${major}.${safe} or later`
    : null;
  return { number, major, text, warning };
}
