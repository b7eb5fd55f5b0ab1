import type { Pool, QueryResultRow } from "pg";
import { makeAskBeside } from "../database/ask_beside.ts";
import { connectionLost, isFromServer } from "../database/connection_failures.ts";
import type { LiveTopic } from "./live_event.ts";

/** A change that was committed. */
export interface Change {
  seq: string;
  organization_id: string;
  topic: LiveTopic;
  action: "INSERTED" | "UPDATED" | "DELETED";
  entity_id: string | null;
  prompt_ids: string[] | null;
  statuses: string[] | null;
  source: string | null;
  marts: string[] | null;
  from_ts: string | null;
  to_ts: string | null;
}

/** Which transactions have ended, and the history of the database that this belongs to. */
export interface Seen {
  snapshot: string;
  epoch: string;
}

/** A credential, as `app.live_rights` looks it up. */
export interface CredentialOfMany {
  jwtId: string | null;
  keyHash: string | null;
  organization: string | null;
}

/** What it may do, or why it is refused. */
export interface RightsOfMany {
  place: number;
  organization_id: string | null;
  permissions: string | null;
  refused_code: string | null;
  refused_message: string | null;
}

/** The database, as those see it who tell of changes. */
export interface ChangeSource {
  readPosition(): Promise<Seen>;
  /** Changes seen with the second snapshot and not with the first, after a number; a page of them. */
  readChanges(
    span: { since: string; until: string; afterSeq: string },
    organizations: readonly string[],
  ): Promise<readonly Change[]>;
  readRights(credentials: readonly CredentialOfMany[]): Promise<readonly RightsOfMany[]>;
  readCursorKey(): Promise<Uint8Array>;
}

/** How many changes are read at once. */
export const changesOfAPage = 1_000;
/** Above it the log is read for so long that the reader should begin anew. */
const timeoutMs = 30_000;
/** As in `AskLimits`. */
const hungServerMs = 3_000;

/** Makes the reader of changes, on connections of its own: requests neither wait for it nor hold it up. */
export function makeChangeSource(pool: Pool): ChangeSource {
  const askBeside = makeAskBeside(pool, { timeoutMs, hungServerMs });

  async function ask<Row extends QueryResultRow>(text: string, values: unknown[]) {
    try {
      return await askBeside<Row>(text, values);
    } catch (error) {
      throw isFromServer(error) ? error : connectionLost(error);
    }
  }

  return {
    async readPosition() {
      const [seen] = await ask<Seen & QueryResultRow>("select * from app.live_position()", []);
      return seen!;
    },
    readChanges: ({ since, until, afterSeq }, organizations) =>
      ask<Change & QueryResultRow>(
        "select seq::text, organization_id, topic, action, entity_id, prompt_ids, statuses, source, marts, " +
          "to_json(from_ts)#>>'{}' as from_ts, to_json(to_ts)#>>'{}' as to_ts " +
          "from app.live_changes($1, $2, $3, $4, $5) order by live_changes.seq",
        [since, until, organizations, afterSeq, changesOfAPage],
      ),
    readRights: (credentials) =>
      ask<RightsOfMany & QueryResultRow>("select * from app.live_rights($1)", [
        JSON.stringify(credentials),
      ]),
    async readCursorKey() {
      const [row] = await ask<{ key: Uint8Array }>("select app.live_cursor_key() as key", []);
      return row!.key;
    },
  };
}
