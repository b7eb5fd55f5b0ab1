import type { DatabaseError } from "pg";

/** What the violation of a constraint means. */
export interface ConstraintRule {
  /** The rule in words for people, which are the constraint's comment; "" if it has none. */
  message: string;
  /** The field that it is about, as the API spells it; null if it is about none. */
  field: string | null;
}

/**
 * What a broken constraint means.
 *
 * @param query runs one statement
 * @returns null if the error names no constraint
 */
export async function readConstraintRule(
  query: (
    sql: string,
    values: unknown[],
  ) => Promise<{ rows: { message: string | null; field: string | null }[] }>,
  { schema, table, constraint }: DatabaseError,
): Promise<ConstraintRule | null> {
  if (!schema || !table || !constraint) return null;
  const { rows } = await query("select message, field from app.constraint_rule($1, $2, $3)", [
    schema,
    table,
    constraint,
  ]);
  return { message: rows[0]?.message ?? "", field: rows[0]?.field ?? null };
}
