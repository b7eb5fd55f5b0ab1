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
  // The parameters outrank user and password before the host, and a URL without a host has only them
  if (!other.hostname || other.searchParams.has("user") || other.searchParams.has("password")) {
    other.searchParams.delete("user");
    other.searchParams.delete("password");
    if (!other.hostname) {
      other.searchParams.set("user", role);
      other.searchParams.set("password", password);
    }
    escapeSpaces(other);
  }
  other.username = encodeURIComponent(role);
  other.password = encodeURIComponent(password);
  if (other.pathname.length <= 1) other.pathname = "/curestry";
  return other.href;
}

/** The password in a connection string, decoded; "" if it has none. */
export function passwordOf(url: string): string {
  const { password, searchParams } = new URL(url);
  return searchParams.get("password") || decodeURIComponent(password);
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
  escapeSpaces(other);
  return other.href;
}

/** A connection string that may be shown: without its password. */
export function redactUrl(url: string): string {
  const shown = new URL(url);
  shown.password = "";
  for (const name of ["password", "sslpassword"]) shown.searchParams.delete(name);
  return shown.href;
}

/** A change of `searchParams` writes spaces as plus signs, which libpq does not read as spaces. */
function escapeSpaces(url: URL): void {
  url.search = url.search.replaceAll("+", "%20");
}
