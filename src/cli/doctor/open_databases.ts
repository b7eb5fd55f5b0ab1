import type { Client } from "pg";

/** A database of the server, none of Curestry's, that analysts may connect to. */
export interface OpenDatabase {
  name: string;
  /** The statement that keeps them out. */
  cure: string;
}

/**
 * The other databases of the server that let analysts in: in most, everybody may connect and make
 * temporary tables and large objects. Those of other installations on the server are open to analysts
 * on purpose.
 */
export async function readOpenDatabases(client: Client): Promise<OpenDatabase[]> {
  const { rows } = await client.query<OpenDatabase>(
    `select d.datname as name,
            case when exists (select from pg_catalog.aclexplode(
                                coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
                               where a.grantee = 0 and a.privilege_type = 'CONNECT')
                 then pg_catalog.format('revoke connect, temporary on database %I from public', d.datname)
                 else pg_catalog.format('revoke connect on database %I from curestry_analyst', d.datname)
            end as cure
       from pg_catalog.pg_database d
       join pg_catalog.pg_roles analyst on analyst.rolname = 'curestry_analyst'
       join pg_catalog.pg_roles owner on owner.rolname = 'curestry_owner'
      where d.datallowconn and d.datname <> pg_catalog.current_database()
        and pg_catalog.has_database_privilege(analyst.oid, d.oid, 'connect')
        and not pg_catalog.has_database_privilege(owner.oid, d.oid, 'create')
      order by d.datname`,
  );
  return rows;
}
