import { pause } from "../shared/pause.ts";
import { errorCode } from "./open_client.ts";

/** A login of ours, whose password may change while we run. */
export interface Login {
  /** The connection string that was good last. */
  readonly url: string;
  /**
   * Finds another one, after the server has refused one.
   *
   * @param refused the connection string that was tried
   * @param error how it was refused
   * @throws {Error} that one, if no connection string is good
   */
  renew(refused: string, error: unknown): Promise<void>;
}

/** How often a connection string may be refused that was good a moment before. */
const maxAttempts = 5;

/**
 * Connects as a login, with another connection string when the server refuses the one that was good
 * until now. A connection string alone is tried as it is.
 *
 * @param connect tries `login.url`, as it is then
 * @param searchMs how long to look for another connection string
 * @throws {Error} what `connect` throws
 */
export async function connectAs<T>(
  login: Login | string,
  connect: (url: string) => Promise<T>,
  searchMs = 10_000,
): Promise<T> {
  if (typeof login === "string") return await connect(login);
  for (let attempt = 1;; attempt++) {
    const { url } = login;
    try {
      return await connect(url);
    } catch (error) {
      if (!isRefusedLogin(error) || attempt === maxAttempts) throw error;
      const searched = new AbortController();
      const tooLong = pause(searchMs, searched.signal).then(() => {
        throw error;
      });
      tooLong.catch(() => {});
      await Promise.race([login.renew(url, error), tooLong]).finally(() => searched.abort());
    }
  }
}

/** Whether the server refused the login: its password, that it logs in, or from here. */
export function isRefusedLogin(error: unknown): boolean {
  return errorCode(error) === "28000" || isWrongPassword(error);
}

/** Whether the server, or a pooler in front of it, refused the password, or does not know the user. */
export function isWrongPassword(error: unknown): boolean {
  const code = errorCode(error);
  // Older PgBouncers have one code for all: 1.18 says "SASL authentication failed"
  return code === "28P01" ||
    code === "08P01" && error instanceof Error && /authentication failed/.test(error.message);
}
