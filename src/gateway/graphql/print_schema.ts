import "./graphile_env.ts";
import pg from "pg";
import { makeSchema } from "postgraphile";
import { printSchema } from "postgraphile/graphql";
import { makeAdaptor } from "../database/adaptor.ts";
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
    const preset = makePreset("curestry_member", adaptor, { planning: 1_000, execution: 1_000 });
    const { schema } = await makeSchema(preset);
    return `${printSchema(schema)}\n`;
  } finally {
    await pool.end();
  }
}
