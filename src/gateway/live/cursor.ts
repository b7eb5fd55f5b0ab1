import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { GatewayError } from "../gateway_error.ts";

/** What a subscriber has been told. */
export interface Position {
  /** The history of the database that the snapshots belong to. */
  epoch: string;
  /** The transactions whose changes have been told: all of them, if `part` is null. */
  until: string;
  /** Of those that `since` had not seen, only the changes up to this number. */
  part: { since: string; seq: string } | null;
}

/** Closes and opens cursors: what clients hold is a position that they can neither read nor make. */
export interface Cursors {
  close(position: Position): string;
  /** @throws GatewayError for one that is not ours, or too old */
  open(cursor: string): Position;
}

/** How long a cursor is good: the marts' updates are kept for longer, see `app.mart_update_tidy`. */
export const cursorHours = 24;
const longestCursorCharacters = 16_384;
const [nonceBytes, tagBytes] = [12, 16];

/** @param key of `app.live_cursor_key` */
export function makeCursors(key: Uint8Array, now: () => number = Date.now): Cursors {
  return {
    close({ epoch, until, part }) {
      const content = [epoch, Math.floor(now() / 1_000), until, part?.since, part?.seq];
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      const closed = [nonce, cipher.update(JSON.stringify(content), "utf8"), cipher.final()];
      return Buffer.concat([...closed, cipher.getAuthTag()]).toString("base64url");
    },
    open(cursor) {
      const [epoch, madeAt, until, since, seq] = read(cursor, key);
      if (madeAt < now() / 1_000 - cursorHours * 3_600) throw goneCursor();
      return { epoch, until, part: since && seq ? { since, seq } : null };
    },
  };
}

/** The changes after a cursor cannot be told any more. */
export function goneCursor(): GatewayError {
  return new GatewayError(
    "NOT_FOUND",
    `The changes after this cursor cannot be told any more: cursors are good for ${cursorHours} hours, ` +
      "and until the database is restored. Read anew what you show, and subscribe without a cursor",
  );
}

type Content = [epoch: string, madeAt: number, until: string, since?: string, seq?: string];

function read(cursor: string, key: Uint8Array): Content {
  try {
    if (cursor.length > longestCursorCharacters) throw new RangeError("The cursor is too long");
    const bytes = Buffer.from(cursor, "base64url");
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAuthTag(bytes.subarray(-tagBytes));
    const content = decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, "utf8");
    return JSON.parse(content + decipher.final("utf8"));
  } catch (cause) {
    const message = "after must be a cursor of a subscription's event";
    throw new GatewayError("INVALID", message, { cause });
  }
}
