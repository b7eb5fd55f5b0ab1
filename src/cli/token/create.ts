import type { Command } from "commander";
import { readJwtKeys } from "../../shared/read_jwt_keys.ts";
import { signSessionToken } from "../../shared/session_token.ts";
import { parseDuration } from "../shared/arguments.ts";
import type { Run } from "../shared/command.ts";

interface Options {
  user: string;
  /** Seconds. */
  expires: number;
}

/** `curestry token create` */
export function addTokenCreate(parent: Command, run: Run): void {
  parent.command("create")
    .description("open a session of a user and print its token")
    .requiredOption("--user <email>", "e-mail address of the user")
    .option("--expires <duration>", "how long it is valid (default: 1h)", parseDuration, 3600)
    .action(({ user, expires }: Options) =>
      run(async ({ connect, settings }) => {
        const [key] = await readJwtKeys(settings);
        if (!key) throw new Error("There is no key to sign with");
        const { rows: [session] } = await connect("owner", (client) =>
          client.query<{ user_id: number; jwt_id: string; expires_at: Date }>(
            "select * from app.session_open($1, make_interval(secs => $2))",
            [user, expires],
          ));
        if (!session) {
          throw new Error("The database opened no session");
        }
        const { user_id: userId, jwt_id: jwtId, expires_at: expiresAt } = session;
        const token = await signSessionToken(key, { userId, jwtId, expiresAt });
        return {
          result: { token, expiresAt, user, userId },
          text: `${token}\n\nA session of ${user}, until ${expiresAt.toISOString()}.`,
        };
      })
    );
}
