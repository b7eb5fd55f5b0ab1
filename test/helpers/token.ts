import { inject } from "vitest";
import { signSessionToken } from "../../src/shared/session_token.ts";
import { readJwtKeys } from "../../src/shared/read_jwt_keys.ts";
import { readSettings } from "../../src/shared/settings.ts";
import type { TestDatabase } from "./database.ts";

/** A person who has signed in. */
export interface TestPerson {
  userId: number;
  email: string;
  token: string;
}

let made = 0;

/** Makes a user, with a personal organization, and signs them in. */
export async function makePerson(
  database: TestDatabase,
  email = `person-${++made}@x.example`,
): Promise<TestPerson> {
  await database.query("select app.user_ensure($1)", [email]);
  return await signIn(database, email);
}

/** Opens a session of a user and signs its token, as `curestry token create` does. */
export async function signIn(database: TestDatabase, email: string): Promise<TestPerson> {
  const [session] = await database.query<{ user_id: number; jwt_id: string; expires_at: Date }>(
    "select * from app.session_open($1, '1 hour')",
    [email],
  );
  const [key] = await readJwtKeys(readSettings({ CURESTRY_DATA_DIR: inject("server").dataDir }));
  if (!session || !key) throw new Error("The session was not opened");
  const token = await signSessionToken(key, {
    userId: session.user_id,
    jwtId: session.jwt_id,
    expiresAt: session.expires_at,
  });
  return { userId: session.user_id, email, token };
}
