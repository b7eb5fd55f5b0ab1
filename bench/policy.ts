import { withClient } from "../src/database/open_client.ts";
import { type Benchmark, compare } from "./compare.ts";

const organizationCount = 20;
const runCount = 200_000;

const newestRunsQuery =
  "select id, status, started_at, finished_at, created_at from ops.analysis_run {where} order by created_at desc, id desc limit 20";
const runCountQuery = "select count(*) from ops.analysis_run {where}";

/** What row level security costs: the same query as a member, and by a login that it does not apply to. */
export const policyBenchmark: Benchmark = {
  name: "policy",
  description:
    `one organization's runs among ${runCount} of ${organizationCount}, as curestry_member by policy, and past ` +
    "row level security with the organization given literally",

  async run({ adminUrl }) {
    return await withClient(adminUrl, async (other) => {
      await fill(other);
      const { rows: [organization] } = await other.query<{ id: string }>(
        "select id from ops.organization where slug = 'organization-7'",
      );
      await other.query("select app.api_key_create($1, null, 'bench', '{analyses:read}', null)", [
        organization?.id,
      ]);
      const { rows: [hash] } = await other.query<{ key_hash: string }>(
        "select key_hash from ops.api_key where organization_id = $1",
        [organization?.id],
      );
      return await withClient(adminUrl, async (member) => {
        await member.query("begin");
        await member.query("select app.begin_request(null, $1, null, 'bench')", [hash?.key_hash]);
        await member.query("set local role curestry_member");
        const comparisons = [];
        for (
          const [what, sql, rounds, limit] of [
            ["the newest 20 runs", newestRunsQuery, 1000, 1.2],
            ["how many there are", runCountQuery, 100, undefined],
          ] as const
        ) {
          const mine = { name: `member ${what}`, text: sql.replace("{where}", "") };
          const theirs = {
            name: `owner ${what}`,
            text: sql.replace("{where}", `where organization_id = '${organization?.id}'`),
          };
          comparisons.push(
            await compare(
              what,
              { name: "by policy", work: () => member.query(mine) },
              { name: "given literally", work: () => other.query(theirs) },
              limit === undefined ? { rounds } : { rounds, limit },
            ),
          );
        }
        return comparisons;
      });
    });
  },
};

async function fill(client: { query(sql: string): Promise<unknown> }): Promise<void> {
  await client.query(
    `select app.organization_create('organization-' || n, 'Organization ' || n, 'owner' || n || '@x.example')
       from generate_series(1, ${organizationCount}) as n`,
  );
  // Triggers would only make this slower: what is measured is reading
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into ops.analysis_run (organization_id, status, started_at, finished_at, created_at)
     select o.id, 'succeeded', s.at, s.at, s.at
       from generate_series(1, ${runCount / organizationCount}) as n,
            (select id from ops.organization where personal_user_id is null) as o,
            lateral (select timestamptz '2026-01-01' + n * interval '1 minute' + random() * interval '1 minute') as s (at)`,
  );
  await client.query("set session_replication_role = origin");
  await client.query("vacuum analyze ops.analysis_run");
}
