import type { Client } from "pg";
import type { Settings } from "../../shared/settings.ts";

/** What a command has to work with. */
export interface CommandContext {
  settings: Settings;
  /** The administrator's connection string. */
  adminUrl: string;
  /** Runs something on a connection that acts as curestry_owner, or as the administrator's login. */
  connect<T>(role: "owner" | "administrator", use: (client: Client) => Promise<T>): Promise<T>;
}

/** What a command answers. */
export interface Answer {
  /** Printed with --json. */
  result: object;
  /** Printed without; null: nothing, because standard output was used already. */
  text: string | null;
  /** The command did its work, and what it found counts as a failure: exit code 1. */
  failed?: boolean;
}

/** The work of one command. */
export type Work = (context: CommandContext) => Promise<Answer>;

/** Given to every command: runs its work once the arguments are known to be good. */
export type Run = (work: Work) => Promise<void>;
