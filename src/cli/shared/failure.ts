import pg from "pg";
import { readConstraintRule } from "../../database/constraint_rule.ts";
import { errorCode } from "../../database/open_client.ts";
import { type ErrorCode, errorCodeOf } from "../../shared/error_codes.ts";
import { SettingsError } from "../../shared/settings.ts";

/** Why a command failed; `error` of what it prints with --json. */
export interface Failure {
  /** One of the API's codes, or of these. */
  code: ErrorCode | "SETTINGS" | "FAILED";
  message: string;
  /** The option or field at fault. */
  field?: string;
}

/**
 * What an error means to whoever typed the command. Operators may see PostgreSQL's own words, which
 * the API hides.
 */
export function toFailure(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof SettingsError) return { code: "SETTINGS", message };
  const state = errorCode(error);
  if (isNotMigrated(state, message)) {
    return {
      code: "UNAVAILABLE",
      message: `The database has not the schema of this version of Curestry (${message}): ` +
        "run `deno task migrate`",
    };
  }
  const code = errorCodeOf(state) ?? "FAILED";
  const field = error instanceof pg.DatabaseError ? error.column : undefined;
  return { code, message, ...(field ? { field } : {}) };
}

/** Throws what PostgreSQL reported as a broken constraint with the sentence of the constraint, and all else as it is. */
export async function explainConstraint(client: pg.Client, error: unknown): Promise<never> {
  if (error instanceof pg.DatabaseError && error.code?.startsWith("23") && error.constraint) {
    const rule = await readConstraintRule((sql, values) => client.query(sql, values), error)
      .catch(() => null);
    if (rule?.message) {
      const { code, column } = error;
      throw Object.assign(new pg.DatabaseError(rule.message, 0, "error"), { code, column });
    }
  }
  throw error;
}

/** No such schema, function, table or column; or no role curestry_owner to act as. */
function isNotMigrated(state: string, message: string): boolean {
  return ["3F000", "42883", "42P01", "42703"].includes(state) ||
    (state === "22023" && message.includes("curestry_owner"));
}
