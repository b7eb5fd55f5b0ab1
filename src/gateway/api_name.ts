/** A name of the database as the API spells it: formatType for format_type. `app.api_name` is the same in SQL. */
export function apiName(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
