import "./graphile_env.ts";
import pg from "pg";
import { makeSchema } from "postgraphile";
import { printSchema } from "postgraphile/graphql";
import { makeAdaptor } from "../database/adaptor.ts";
import { makePreset } from "./preset.ts";

/**
 * Prints the GraphQL schema of a member, as `schema.graphql` keeps it.
 *
 * @param databaseUrl login that may become curestry_member, to a migrated database
 */
export async function printMemberSchema(databaseUrl: string): Promise<string> {
  const pool = new pg.Pool({ connectionString: databaseUrl, pipeline: true, max: 1 });
  try {
    const adaptor = makeAdaptor(pool, {
      statementTimeoutMs: 60_000,
      maxWaitingRequests: 10,
      prepare: false,
    });
    const preset = makePreset("curestry_member", adaptor, { planning: 1_000, execution: 1_000 });
    const { schema } = await makeSchema(preset);
    return `${printSchema(schema)}\n`;
  } finally {
    await pool.end();
  }
}
