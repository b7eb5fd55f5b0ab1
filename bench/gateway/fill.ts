import pg from "pg";
import { switchTriggers } from "../switch_triggers.ts";
import { promptsEach, runsEach } from "./operations.ts";

/**
 * Makes organizations with prompts, relations and runs, past triggers.
 *
 * @returns an API key of each
 */
export async function fill(adminUrl: string, organizations: number): Promise<string[]> {
  const pool = new pg.Pool({ connectionString: adminUrl, max: 1 });
  try {
    const keys: string[] = [];
    const ids: string[] = [];
    for (let n = 0; n < organizations; n++) {
      const { rows: [row] } = await pool.query<{ key: string; id: string }>(
        `select k.key, o.id from app.organization_create('org-' || $1, 'Org', 'owner' || $1 || '@x.example') o,
           app.api_key_create(o.id, null, 'bench',
             '{prompts:read,prompts:write,analyses:read,analyses:write}', null) k`,
        [String(n)],
      );
      if (!row) throw new Error("No organization was made");
      keys.push(row.key);
      ids.push(row.id);
    }
    const tables = ["core.prompts", "core.prompt_relations", "ops.analysis_run"];
    await pool.query("set session_replication_role = replica");
    await switchTriggers(pool, "disable", "", tables);
    await pool.query(
      `insert into core.prompts (id, organization_id, name, content, language)
       select format('prompt-%s-%s', o.n - 1, p), o.id, 'Prompt ' || p, repeat('Answer in one sentence. ', 40), 'en'
         from unnest($1::uuid[]) with ordinality as o (id, n), generate_series(0, $2 - 1) as p`,
      [ids, promptsEach],
    );
    await pool.query(
      `insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
       select o.id, format('prompt-%s-%s', o.n - 1, p), format('prompt-%s-%s', o.n - 1, (p + d) % $2), 'depends_on'
         from unnest($1::uuid[]) with ordinality as o (id, n), generate_series(0, $2 - 1) as p, generate_series(1, 3) as d`,
      [ids, promptsEach],
    );
    await pool.query(
      `insert into ops.analysis_run
              (organization_id, prompt_id, prompt_content, status, started_at, finished_at, created_at)
       select o.id, format('prompt-%s-%s', o.n - 1, r % $3), 'Answer in one sentence, number ' || r, 'succeeded', t.at,
              t.at + interval '1 s', t.at
         from unnest($1::uuid[]) with ordinality as o (id, n), generate_series(1, $2) as r,
              lateral (select now() - r * interval '1 minute' as at) as t`,
      [ids, runsEach, promptsEach],
    );
    await switchTriggers(pool, "enable", "", tables);
    await pool.query("vacuum analyze");
    return keys;
  } finally {
    await pool.end();
  }
}
