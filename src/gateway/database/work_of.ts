import { makeExpiringCache } from "../expiring_cache.ts";

/** Names of root fields, in a document that was not parsed yet. */
const nameOrBrace = /"""[^]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|\([^()]*\)|[{}]|[A-Za-z_]\w*/g;
const longestScannedCharacters = 20_000;
const maxRemembered = 500;
const longestRememberedCharacters = 5_000;
const remembered = makeExpiringCache<string>(maxRemembered);

/**
 * What a document does, as far as its text says: the names on the first level of its operations. It
 * groups requests that are likely to need the same tables; nothing else depends on it.
 */
export function workOf(document: string): string {
  const known = remembered.get(document);
  if (known !== undefined) return known;
  const work = readWork(document);
  if (document.length <= longestRememberedCharacters) remembered.set(document, work);
  return work;
}

function readWork(document: string): string {
  const names = new Set<string>();
  let level = 0;
  for (const [token] of document.slice(0, longestScannedCharacters).matchAll(nameOrBrace)) {
    if (token === "{") level++;
    else if (token === "}") level--;
    else if (level === 1 && /^[A-Za-z_]/.test(token)) names.add(token);
  }
  return [...names].sort().join(" ").slice(0, 200);
}
