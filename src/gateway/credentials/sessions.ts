import type { JWK } from "jose";
import type { PoolClient } from "pg";
import { connectionLost, isFromServer } from "../database/connection_failures.ts";
import type { FairPool } from "../database/fair_pool.ts";
import type { JwtKey } from "../../shared/parse_jwt_keys.ts";
import { signSessionToken } from "../../shared/session_token.ts";

/** A token, and until when it is accepted. */
export interface SessionToken {
  token: string;
  expiresAt: string;
}

/** What a person does with the session that a request is made in. */
export interface Sessions {
  /** Ends it and opens its successor. @throws what `app.session_refresh` refuses */
  refresh(jwtId: string, requestId: string): Promise<SessionToken>;
  /** Ends it. @throws what `app.begin_request` refuses */
  signOut(jwtId: string, requestId: string): Promise<void>;
}

/** @param jwtKeys the first signs, and has its private part */
export function makeSessions(pool: FairPool, jwtKeys: readonly JWK[]): Sessions {
  return {
    async refresh(jwtId, requestId) {
      const { rows: [session] } = await inRequest(
        pool,
        jwtId,
        requestId,
        (client) =>
          client.query<{ user_id: number; jwt_id: string; expires_at: Date }>(
            "select * from app.session_refresh($1)",
            [jwtId],
          ),
      );
      if (session === undefined) throw new Error("The session has no successor");
      const claims = {
        userId: session.user_id,
        jwtId: session.jwt_id,
        expiresAt: session.expires_at,
      };
      return {
        token: await signSessionToken(jwtKeys[0] as JwtKey, claims),
        expiresAt: session.expires_at.toISOString(),
      };
    },

    async signOut(jwtId, requestId) {
      await inRequest(pool, jwtId, requestId, async (client) => {
        await client.query("set local role curestry_member");
        await client.query("select core.sign_out()");
      });
    },
  };
}

async function inRequest<Result>(
  pool: FairPool,
  jwtId: string,
  requestId: string,
  work: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const { client, release } = await pool.acquire({ organization: "sessions", work: "session" });
  let failure: unknown;
  try {
    await client.query("begin; set local statement_timeout = 5000");
    await client.query("select app.begin_request($1, null, null, $2)", [jwtId, requestId]);
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    failure = error;
    throw isFromServer(error) ? error : connectionLost(error);
  } finally {
    const undone = failure === undefined ||
      await client.query("rollback").then(() => true, () => false);
    release(!undone);
  }
}
