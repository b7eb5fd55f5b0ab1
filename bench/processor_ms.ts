import type { Client } from "pg";

/**
 * What the connection's server process has had of the processors, in milliseconds; elsewhere than on
 * Linux, the time. For what is promised of one core, whatever else the machine does.
 */
export async function processorMs(client: Client): Promise<number> {
  const { rows: [row] } = await client.query<{ stat: string | null }>(
    "select pg_read_file('/proc/self/stat', 0, 1000, true) as stat",
  );
  if (!row?.stat) return performance.now();
  const fields = row.stat.slice(row.stat.lastIndexOf(")")).split(" ");
  // User and system time, in hundredths of a second
  return (Number(fields[12]) + Number(fields[13])) * 10;
}
