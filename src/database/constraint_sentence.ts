import type { DatabaseError } from "pg";

/**
 * What a broken constraint means, in words for people: its comment in the database.
 *
 * @param query runs one statement
 * @returns "" if the constraint has no comment, or the error names none
 */
export async function readConstraintSentence(
  query: (sql: string, values: unknown[]) => Promise<{ rows: { sentence: string | null }[] }>,
  { schema, table, constraint }: DatabaseError,
): Promise<string> {
  if (!schema || !table || !constraint) return "";
  const { rows } = await query("select app.constraint_message($1, $2, $3) as sentence", [
    schema,
    table,
    constraint,
  ]);
  return rows[0]?.sentence ?? "";
}
