import type pg from "pg";

/** Enables or disables the triggers whose name begins so, on these tables or on all. */
export async function switchTriggers(
  pool: pg.Pool,
  to: "enable" | "disable",
  prefix: string,
  tables: readonly string[] | null = null,
): Promise<void> {
  const { rows } = await pool.query<{ statement: string }>(
    `select format('alter table %s %s trigger %I', tgrelid::regclass, $1::text, tgname) as statement
       from pg_trigger
      where starts_with(tgname, $2) and tgparentid = 0 and ($3::text[] is null or tgrelid = any ($3::text[]::regclass[]))`,
    [to, prefix, tables],
  );
  for (const { statement } of rows) await pool.query(statement);
}
