/**
 * The same server, another database.
 *
 * @param url postgres://…
 * @param database its name, not escaped
 */
export function databaseUrl(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${encodeURIComponent(database)}`;
  return other.href;
}

/** The database a connection string names; `curestry` if it names none. */
export function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1)) || "curestry";
}

/**
 * The same database, another login.
 *
 * @param url an administrator's
 * @param role the login's name
 * @param password not escaped
 */
export function loginUrl(url: string, role: string, password: string): string {
  const other = new URL(url);
  other.username = encodeURIComponent(role);
  other.password = encodeURIComponent(password);
  if (other.pathname.length <= 1) other.pathname = "/curestry";
  return other.href;
}

/**
 * The same connection, acting as another role from its beginning.
 *
 * @param url of a login that is a member of the role
 * @param role a plain name
 */
export function actingAs(url: string, role: string): string {
  const other = new URL(url);
  const options = [other.searchParams.get("options"), `-c role=${role}`].filter(Boolean).join(" ");
  other.searchParams.set("options", options);
  // A plus would be a plus to libpq
  other.search = other.search.replaceAll("+", "%20");
  return other.href;
}

/** A connection string that may be shown: without its password. */
export function redactUrl(url: string): string {
  const shown = new URL(url);
  shown.password = "";
  for (const name of ["password", "sslpassword"]) shown.searchParams.delete(name);
  return shown.href;
}
