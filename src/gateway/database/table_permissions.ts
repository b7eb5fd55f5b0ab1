import type { DatabaseClient } from "./transaction.ts";

/**
 * Which permission a request needs to read each table, as the tables' policies say. A table whose rows
 * depend on something else is not among them.
 *
 * @returns permissions by "schema.table"
 */
export async function readTablePermissions(
  client: DatabaseClient,
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ table_name: string; permission: string }>({
    text: `
      select n.nspname || '.' || c.relname as table_name, min(needed.permission) as permission
        from pg_catalog.pg_policy p
        join pg_catalog.pg_class c on c.oid = p.polrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
             lateral (select (pg_catalog.regexp_match(pg_catalog.pg_get_expr(p.polqual, p.polrelid),
               '^\\(organization_id = app\\.organization_if\\(''([a-z]+:[a-z]+)''::text\\)\\)$'))[1]) as needed (permission)
       where p.polcmd in ('r', '*')
         and (select r.oid from pg_catalog.pg_roles r where r.rolname = 'curestry_member') = any (p.polroles)
       group by 1
      having count(*) = 1 and count(needed.permission) = 1`,
  });
  return new Map(rows.map(({ table_name, permission }) => [table_name, permission]));
}

/**
 * Which permission a request needs to write to each table, as the tables' policies say.
 *
 * @returns permissions by "create schema.table", "update schema.table" and "delete schema.table"
 */
export async function readWritePermissions(
  client: DatabaseClient,
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ write: string; permission: string }>({
    text: `
      select case p.polcmd when 'a' then 'create' when 'w' then 'update' else 'delete' end
             || ' ' || n.nspname || '.' || c.relname as write, min(needed.permission) as permission
        from pg_catalog.pg_policy p
        join pg_catalog.pg_class c on c.oid = p.polrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace,
             lateral (select (pg_catalog.regexp_match(
               pg_catalog.pg_get_expr(case p.polcmd when 'a' then p.polwithcheck else p.polqual end, p.polrelid),
               'app\\.organization_if\\(''([a-z]+:[a-z]+)''::text\\)'))[1]) as needed (permission)
       where p.polcmd in ('a', 'w', 'd')
         and (select r.oid from pg_catalog.pg_roles r where r.rolname = 'curestry_member') = any (p.polroles)
       group by 1
      having count(*) = 1 and count(needed.permission) = 1`,
  });
  return new Map(rows.map(({ write, permission }) => [write, permission]));
}
