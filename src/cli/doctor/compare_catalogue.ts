import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Client } from "pg";
import { migrationsFolder, pendingMigrations } from "../../database/committed_migrations.ts";
import { type Catalogue, readCatalogue } from "../../database/read_catalogue.ts";
import type { SecurityFinding } from "./security_finding.ts";

const rule = "the database is what the migrations make";
const restore = "find out who changed it, and make it again as migrations/schema.sql has it";

/** What may be there beside ours without changing what ours mean. */
const harmlessKinds = new Set(["schema", "column", "constraint", "index"]);

/** Partitions come and go. */
const monthly = /_<month>/;

/**
 * Compares the database with migrations/catalogue.json: functions, policies, rights, triggers, and all
 * else that the migrations make.
 */
export async function compareCatalogue(client: Client): Promise<SecurityFinding[]> {
  const pending = await pendingMigrations(client);
  if (pending.length > 0) {
    return [{
      rule,
      object: `not compared: it lacks ${pending.join(", ")}`,
      cure: "run `deno task migrate`, and this again",
    }];
  }
  const expected: Catalogue = JSON.parse(
    await readFile(join(migrationsFolder, "catalogue.json"), "utf8"),
  );
  const objects = await readCatalogue(client);
  const findings: SecurityFinding[] = [];
  for (const { kind, object, at, digest } of objects) {
    const should = expected[object];
    if (should === digest || should === undefined && harmlessKinds.has(kind)) continue;
    findings.push(
      should === undefined
        ? {
          rule,
          object: `${at} is none of ours`,
          cure: "find out who made it, and drop it",
        }
        : { rule, object: `${at} is not what the migrations make`, cure: restore },
    );
  }
  const present = new Set(objects.map(({ object }) => object));
  for (const object of Object.keys(expected)) {
    if (present.has(object) || monthly.test(object)) continue;
    findings.push({ rule, object: `${object} is missing`, cure: restore });
  }
  return findings;
}
