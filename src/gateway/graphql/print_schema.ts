import "./graphile_env.ts";
import pg from "pg";
import { makeSchema } from "postgraphile";
import { printSchema } from "postgraphile/graphql";
import { makeAdaptor } from "../database/adaptor.ts";
import { readTablePermissions } from "../database/table_permissions.ts";
import { makeFairPool } from "../database/fair_pool.ts";
import { makePreset } from "./preset.ts";

/**
 * Prints the GraphQL schema of a member, as `schema.graphql` keeps it.
 *
 * @param databaseUrl login that may become curestry_member, to a migrated database
 */
export async function printMemberSchema(databaseUrl: string): Promise<string> {
  const pool = new pg.Pool({ connectionString: databaseUrl, pipeline: true, max: 1 });
  try {
    const fair = makeFairPool(pool, { size: 1, waitMs: 60_000, maxWaiting: 10 });
    const adaptor = makeAdaptor(fair, {
      statementTimeoutMs: 60_000,
      maxResultBytes: Infinity,
      maxQueryBytes: Infinity,
      prepare: false,
    });
    const tables = await adaptor.introspectAs("curestry_member")(null, readTablePermissions);
    const timeouts = { planning: 1_000, execution: 1_000 };
    const preset = makePreset("curestry_member", adaptor, timeouts, tables);
    const { schema } = await makeSchema(preset);
    return `${compact(printSchema(schema))}\n`;
  } finally {
    await pool.end();
  }
}

/** Everything is described: empty lines between, and three lines for a description, would be half of the file. */
function compact(schema: string): string {
  return schema
    .replace(/\n\n/g, "\n")
    .replace(/^( *""")\n *([^\n]*[^\n"\\])\n *"""$/gm, '$1$2"""')
    .replace(/^( {2}\w+\()\n {4}("""[^\n]*""")\n {4}([^\n]*)\n {2}\)/gm, "$1$2 $3)");
}
