/** What is in a column: decides how SQL writes it as text, and its type in Parquet. */
export type ColumnType =
  | "text"
  | "json"
  | "integer"
  | "bigint"
  | "double"
  | "numeric"
  | "boolean"
  | "time"
  | "date";

/** A column of a file. */
export interface Column {
  name: string;
  /** The SQL of its value. */
  sql: string;
  type: ColumnType;
}

/** Columns from words such as `createdAt: t.created_at time`; of type text if no type is named. */
export function columns(table: Readonly<Record<string, string>>): Column[] {
  return Object.entries(table).map(([name, words]) => {
    const [sql = "", type = "text"] = words.split(" ");
    return { name, sql, type: type as ColumnType };
  });
}

/** SQL that writes a value as files have it: times in UTC with microseconds, days as 2026-01-31. */
export function textOf({ sql, type }: Pick<Column, "sql" | "type">): string {
  if (type === "time") return `app.file_time(${sql})`;
  if (type === "date") return `pg_catalog.to_char(${sql}, 'YYYY-MM-DD')`;
  if (type === "boolean") return `case when ${sql} then 'true' when not ${sql} then 'false' end`;
  return `${sql}::text`;
}

/** SQL of a JSON object with all columns. */
export function objectOf(all: readonly Column[]): string {
  const pairs = all.map((column) => {
    const isText = column.type === "time" || column.type === "date";
    return `'${column.name}', ${isText ? textOf(column) : column.sql}`;
  });
  return `pg_catalog.json_build_object(${pairs.join(", ")})`;
}
