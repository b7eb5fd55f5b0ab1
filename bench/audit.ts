import pg from "pg";
import { withClient } from "../src/database/open_client.ts";
import { type Benchmark, compare, type Comparison } from "./compare.ts";
import { processorMs } from "./processor_ms.ts";
import { switchTriggers } from "./switch_triggers.ts";

const clientCount = 8;
/** One for each client. */
const organizationIds = Array.from({ length: clientCount }, () => crypto.randomUUID());
const transactionsPerClient = 100;
const bulkRowCount = 10_000;

/** Six columns, of which one is a text of 300 bytes, as an entity has. */
const tableColumns = `(
  id uuid not null default gen_random_uuid(), organization_id uuid not null, name varchar(255) not null, content text not null,
  tags jsonb not null default '[]', created_at timestamptz not null default now(), primary key (organization_id, id))`;

/** What the audit costs writers: none, ours, and the usual trigger that writes each row as to_jsonb. */
export const auditBenchmark: Benchmark = {
  name: "audit",
  description:
    `writes with our audit triggers, with none, and with a generic row trigger; ${bulkRowCount} rows in one ` +
    `statement, and single-row transactions of ${clientCount} clients`,

  async run({ adminUrl }) {
    await withClient(adminUrl, async (client) => {
      await client.query(
        "grant create on database " + client.escapeIdentifier(client.database ?? "") +
          " to curestry_owner",
      );
      await client.query("set role curestry_owner");
      await client.query("create schema bench");
      for (const table of ["plain", "ours", "facts", "generic"]) {
        await client.query(`create table bench.${table} ${tableColumns}`);
      }
      await client.query("select app.audit_table('bench.ours')");
      await client.query("select app.audit_table('bench.facts', summarize_inserts => true)");
      await client.query(`
        create table bench.log (id uuid primary key default gen_random_uuid(), ts timestamptz not null default now(),
          who name not null default session_user, action text not null, entity_type text not null, entity_id text not null, after_state jsonb);
        create index on bench.log (ts);
        create index on bench.log (entity_type, entity_id);
        create function bench.tg_generic() returns trigger language plpgsql as $$
        begin
          insert into bench.log (action, entity_type, entity_id, after_state)
          values (lower(TG_OP), TG_TABLE_NAME, to_jsonb(NEW) ->> 'id', to_jsonb(NEW));
          return null;
        end $$;
        create trigger t after insert on bench.generic for each row execute function bench.tg_generic();`);
      await client.query(
        "grant usage on schema bench to public; grant insert on all tables in schema bench to public",
      );
    });

    const comparisons: Comparison[] = [];
    const pool = new pg.Pool({ connectionString: adminUrl, max: clientCount });
    const client = new pg.Client(adminUrl);
    await client.connect();
    const clock = () => processorMs(client);
    try {
      const bulk = (table: string) => ({
        name: table,
        work: () =>
          client.query(
            `insert into bench.${table} (organization_id, name, content) select '00000000-0000-0000-0000-000000000001', 'name ' || n, repeat('c', 300) from generate_series(1, ${bulkRowCount}) as n`,
          ),
      });
      const single = (table: string) => ({
        name: table,
        work: () => writeSingly(pool, `bench.${table}`),
      });
      for (const table of ["ours", "facts", "generic"]) {
        const limits = { ours: 3, facts: 1.15, generic: undefined };
        const limit = limits[table as keyof typeof limits];
        comparisons.push(
          await compare(
            `${bulkRowCount} rows in one statement, time of one core`,
            bulk(table),
            bulk("plain"),
            { rounds: 20, clock, ...(limit === undefined ? {} : { limit }) },
          ),
        );
      }
      for (const table of ["ours", "generic"]) {
        comparisons.push(
          await compare(
            `${
              clientCount * transactionsPerClient
            } single-row transactions of ${clientCount} clients`,
            single(table),
            single("plain"),
            { rounds: 30, ...(table === "ours" ? { limit: 1 / 0.65 } : {}) },
          ),
        );
      }
      comparisons.push(...await prompts(pool, client));
    } finally {
      await client.end();
      await pool.end();
    }
    return comparisons;
  },
};

/** Rows of so many clients, each in a transaction of its own. */
async function writeSingly(pool: pg.Pool, table: string): Promise<void> {
  await Promise.all(organizationIds.map(async (organization) => {
    for (let n = 0; n < transactionsPerClient; n++) {
      await pool.query({
        name: table,
        text:
          `insert into ${table} (organization_id, name, content) values ($1, 'name', repeat('c', 300))`,
        values: [organization],
      });
    }
  }));
}

/** A table as it is: with its constraints, indexes, versions and all other triggers. */
async function prompts(pool: pg.Pool, client: pg.Client): Promise<Comparison[]> {
  for (const [n, organization] of organizationIds.entries()) {
    await pool.query("insert into ops.organization (id, name, slug) values ($1, 'Bench', $2)", [
      organization,
      `bench-${n}`,
    ]);
  }
  const audited = (work: () => Promise<unknown>, is = true) => ({
    name: is ? "audited" : "not audited",
    work,
    prepare: () =>
      switchTriggers(pool, is ? "enable" : "disable", "_900_audit_", [
        "core.prompts",
        "core.prompt_versions",
      ]),
  });
  const bulk = () =>
    client.query(
      `insert into core.prompts (organization_id, name, content) select $1, 'name ' || n, repeat('c', 300) from generate_series(1, ${bulkRowCount}) as n`,
      [organizationIds[0]],
    );
  const single = () => writeSingly(pool, "core.prompts");
  return [
    await compare(
      `${bulkRowCount} prompts in one statement, time of one core`,
      audited(bulk),
      audited(bulk, false),
      { rounds: 10, limit: 3, clock: () => processorMs(client) },
    ),
    await compare(
      `${
        clientCount * transactionsPerClient
      } prompts, each in a transaction, of ${clientCount} clients`,
      audited(single),
      audited(single, false),
      { rounds: 30, limit: 1 / 0.65 },
    ),
  ];
}
