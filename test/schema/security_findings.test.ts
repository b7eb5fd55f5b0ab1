import { expect, test } from "vitest";
import { withClient } from "../../src/database/open_client.ts";
import { withTestDatabase } from "../helpers/database.ts";

/** What `curestry doctor --security` looks at: nothing is found, and every rule finds its breach. */

const database = withTestDatabase();
const FINDINGS = "select rule, object from app.security_findings()";

interface Finding {
  rule: string;
  object: string;
}

test("nothing is found in a database that was just migrated", async () => {
  expect(await database.query<Finding>(FINDINGS)).toEqual([]);
});

const breaches: [rule: string, breach: string, object: string][] = [
  [
    "row level security is on and forced on every table",
    "create table ops.bad (id uuid primary key); alter table ops.bad enable row level security",
    "ops.bad",
  ],
  [
    "every foreign key has an index that serves it",
    "alter table ops.judge_score add column bad integer constraint fk_bad references core.users (id)",
    "fk_bad",
  ],
  [
    "foreign keys between tenant tables are composite",
    `create unique index bad on core.prompts (id);
             alter table ops.judge_score add column bad varchar constraint fk_bad references core.prompts (id)`,
    "fk_bad",
  ],
  [
    "organization_id is not null, and first in every primary and unique key",
    "alter table ops.judge_score add constraint unq_bad unique (id)",
    "ops.unq_bad",
  ],
  [
    "definer functions have an empty search path and belong to curestry_definer",
    "create function app.bad() returns int language sql security definer set search_path = public as 'select 1'",
    "app.bad()",
  ],
  [
    "nobody may execute a function of ours by default",
    "create function app.bad() returns int language sql as 'select 1'; grant execute on function app.bad() to public",
    "app.bad()",
  ],
  [
    "nobody but the functions that keep it may write to the audit log or its seals",
    "grant update (after_state) on ops.audit_log to curestry_worker",
    "ops.audit_log: curestry_worker",
  ],
  [
    "no policy reads a setting, and members' policies are written to curestry_member",
    "create policy bad on core.prompts using (true)",
    "bad",
  ],
  [
    "no role of a request may truncate, reference or trigger, which look past row level security",
    "grant truncate on core.prompts to curestry_member",
    "core.prompts",
  ],
  [
    "every table of core and ops has its audit triggers, made for its columns",
    "alter table core.prompts disable trigger _900_audit_update",
    "core.prompts",
  ],
  [
    "tables with updated_at keep it",
    "alter table ops.judge_score add column updated_at timestamptz",
    "ops.judge_score",
  ],
  [
    "constraints and indexes are named by the conventions",
    "create index bad on core.prompts (name)",
    "core.bad",
  ],
  [
    "everything has a comment",
    "alter table core.prompts add column bad text",
    "core.prompts.bad",
  ],
  [
    "every column that is a number with bounds, or a floating point number, has a check",
    "alter table core.prompts add column bad numeric",
    "core.prompts.bad",
  ],
  [
    "views act with the rights of whoever reads them",
    "create view report.bad as select * from core.prompts",
    "report.bad",
  ],
  [
    "nothing is granted to PUBLIC",
    "grant select on core.prompts to public",
    "core.prompts",
  ],
  [
    "members' policies are one indexed comparison",
    "create policy bad on core.prompts for select to curestry_member using (exists (select from ops.organization_user))",
    "bad on core.prompts",
  ],
  [
    "every table of core and ops has its audit triggers, made for its columns",
    "alter table core.prompts add column forgotten text",
    "core.prompts",
  ],
  [
    "columns named like secrets are left out of the audit log",
    "alter table core.users add column password_digest text",
    "core.users.password_digest",
  ],
  [
    "columns named like personal data are known to the erasure",
    "alter table core.sessions add column user_agent text",
    "core.sessions.user_agent",
  ],
  [
    "columns named like personal data are known to the erasure",
    "alter table ops.feature_event add column client_ip inet",
    "ops.feature_event.client_ip",
  ],
  [
    "temporary tables are nobody's by default",
    "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$",
    database.name,
  ],
  [
    "logins of ours are what they should be",
    "alter role curestry_definer bypassrls",
    "curestry_definer",
  ],
];

test.each(breaches)("a breach of each rule is found: %s", async (rule, breach, object) => {
  const findings = await withClient(database.adminUrl, async (client) => {
    await client.query("begin");
    await client.query(breach);
    const { rows } = await client.query<Finding>(FINDINGS);
    await client.query("rollback");
    return rows;
  });
  expect(findings).toContainEqual({ rule, object });
});

test("every rule has its breach here", async () => {
  const [definition] = await database.query<{ source: string }>(
    "select prosrc as source from pg_proc where oid = 'app.security_findings()'::regprocedure",
  );
  const rules = [...definition?.source.matchAll(/^ {2}select '((?:[^']|'')+)', f\.finding/gm) ?? []]
    .map(([, rule]) => rule?.replaceAll("''", "'"));
  expect(rules.toSorted()).toEqual([...new Set(breaches.map(([rule]) => rule))].toSorted());
});
