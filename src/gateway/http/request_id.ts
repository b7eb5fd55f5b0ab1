import { randomUUID } from "node:crypto";

const requestIdPattern = /^[\w.:/+=@-]{1,128}$/;

/** What our own work writes in the place of a request's name, in the audit log: no request has these. */
const reservedNames: ReadonlySet<string> = new Set([
  "baseline",
  "erasure",
  "import",
  "job",
  "legacy",
  "migration",
  "retention",
  "system",
  "worker",
]);

/** Names a request: by its header X-Request-Id if that is a usable one. */
export function chooseRequestId(given: string | undefined): string {
  const isUsable = given !== undefined && requestIdPattern.test(given) &&
    !reservedNames.has(given.toLowerCase());
  return isUsable ? given : randomUUID();
}
