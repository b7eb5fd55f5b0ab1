import type { Client } from "pg";

/** Refreshes the marts of an organization, slice by slice, as the worker does. */
export async function bringUpToDate(client: Client, organization: string): Promise<void> {
  for (let behind = true; behind;) {
    await client.query("select app.mart_refresh_organization($1)", [organization]);
    const { rows: [state] } = await client.query<{ behind: boolean }>(
      "select app.mart_is_behind($1) as behind",
      [organization],
    );
    behind = state?.behind ?? false;
  }
}
