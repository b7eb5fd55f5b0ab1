import type { Client } from "pg";

/**
 * What the connection's server process has had of the processors, in milliseconds; elsewhere than on
 * Linux, the time. For what is promised of one core, whatever else the machine does.
 */
export async function processorMs(client: Client): Promise<number> {
  const { rows: [row] } = await client.query<{ stat: string | null }>(
    "select pg_read_file('/proc/self/schedstat', 0, 1000, true) as stat",
  );
  return row?.stat ? Number(row.stat.split(" ")[0]) / 1e6 : performance.now();
}
