import { createHash } from "node:crypto";
import type { BesideQueries } from "../database/beside_queries.ts";
import { makeExpiringCache } from "../expiring_cache.ts";
import { GatewayError } from "../gateway_error.ts";

/** `accepted`: documents may be sent, or named by id; `required`: only those that were registered are run. */
export type DocumentMode = "accepted" | "required";

/** Finds the document that a request means. */
export interface TrustedDocuments {
  /** Whether documents must be registered: then strangers do not learn what the API has. */
  readonly areRequired: boolean;
  /**
   * @param id null: the request has the document itself
   * @returns the document to run
   * @throws GatewayError when there is no such document, or it is not registered and must be
   */
  find(query: string | null, id: string | null): Promise<string>;
}

const capacity = 2_000;
/** How long a document is run after it was removed. */
const knownMs = 60_000;
/** How long one that was not there is not looked for: strangers may ask for any. */
const unknownMs = 2_000;

/** Makes the look-up of registered documents; each is kept for a minute. */
export function makeTrustedDocuments(
  mode: DocumentMode,
  database: BesideQueries,
): TrustedDocuments {
  const known = makeExpiringCache<string | null>(capacity);

  async function read(id: string): Promise<string | null> {
    const found = known.get(id);
    if (found !== undefined) return found;
    const { rows } = await database.query<{ document: string | null }>(
      "select app.trusted_document_find($1) as document",
      [id],
    );
    const document = rows[0]?.document ?? null;
    known.set(id, document, Date.now() + (document === null ? unknownMs : knownMs));
    return document;
  }

  return {
    areRequired: mode === "required",

    async find(query, id) {
      if (id !== null && query === null) {
        const document = await read(id.replace(/^sha256:/, ""));
        // The words that clients of automatic persisted queries wait for
        if (document === null) throw new GatewayError("NOT_FOUND", "PersistedQueryNotFound");
        return document;
      }
      if (mode === "accepted" && query !== null) return query;
      const digest = createHash("sha256").update(query ?? "").digest("hex");
      const document = query === null ? null : await read(digest);
      if (document === null) {
        throw new GatewayError(
          "FORBIDDEN",
          "This gateway runs registered documents alone: send documentId, after " +
            "`document register` for your client",
        );
      }
      return document;
    },
  };
}
