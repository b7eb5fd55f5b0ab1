import pg from "pg";
import type { QueryResultRow } from "pg";
import type { FairPool } from "./fair_pool.ts";

/** Single statements of the gateway's own, between those of the requests. */
export interface BesideQueries {
  query<Row extends QueryResultRow>(sql: string, values?: unknown[]): Promise<{ rows: Row[] }>;
}

/** Their part of the pool is that of one organization. */
const claim = { organization: "gateway", work: "beside" };

/** Makes the way to the database for what is looked up and written beside the requests. */
export function makeBesideQueries(pool: FairPool): BesideQueries {
  return {
    async query<Row extends QueryResultRow>(sql: string, values: unknown[] = []) {
      const { client, release } = await pool.acquire(claim);
      let isBroken = false;
      try {
        return await client.query<Row>(sql, values);
      } catch (error) {
        isBroken = !(error instanceof pg.DatabaseError);
        throw error;
      } finally {
        release(isBroken);
      }
    },
  };
}
