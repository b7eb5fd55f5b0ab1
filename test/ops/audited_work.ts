import { beforeAll } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import type { TestDatabase } from "../helpers/database.ts";
import { makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { sealAll } from "../helpers/seal.ts";

/** Finds what is wrong with the audit log itself. */
export const CHAIN = "select problem, entry_id, detail from app.audit_verify_chain()";

/** Finds where the tables are not what the audit log says. */
export const TABLES = "select problem, entity_type, entity_id from app.audit_verify_entities()";

/** Two organizations that have done something, and the audit log of it, sealed in four steps. */
export interface AuditedWork {
  organizations: TestOrganization[];
  /** Makes changes of all kinds in an organization. */
  work(organization: TestOrganization, rounds: number): Promise<void>;
  /** Seals what no writer holds back; how many rows. */
  seal(): Promise<number>;
}

/** Call it at the top of the file, after `withTestDatabase`. */
export function withAuditedWork(database: TestDatabase): AuditedWork {
  const organizations: TestOrganization[] = [];

  async function work({ id }: TestOrganization, rounds: number): Promise<void> {
    await withClient(database.adminUrl, async (client) => {
      for (let n = 0; n < rounds; n++) {
        await client.query(
          "insert into core.prompts (organization_id, name, content) values ($1, 'a', 'a'), ($1, 'b', 'b'), ($1, 'c', 'c')",
          [id],
        );
        await client.query(
          "update core.prompts set content = content || '!' where organization_id = $1 and name = 'a'",
          [id],
        );
        await client.query(
          "delete from core.prompts where id = (select id from core.prompts where organization_id = $1 and name = 'b' limit 1)",
          [id],
        );
        await client.query("select app.analysis_import($1, $2)", [
          id,
          JSON.stringify([{
            line: 1,
            record: { promptContent: `x ${n}`, metrics: [{ key: "m", valueNum: n }] },
          }]),
        ]);
      }
    });
  }

  async function seal(): Promise<number> {
    const rows = await database.query<{ sealed_rows: number }>(
      "select * from app.audit_write_seals()",
    );
    return rows.reduce((sum, { sealed_rows }) => sum + sealed_rows, 0);
  }

  beforeAll(async () => {
    organizations.push(await makeOrganization(database), await makeOrganization(database));
    for (let round = 0; round < 4; round++) {
      for (const organization of organizations) await work(organization, 5);
      await sealAll(database);
    }
  });
  return { organizations, work, seal };
}
