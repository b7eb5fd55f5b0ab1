import { createHash } from "node:crypto";
import { expect } from "vitest";
import { query, type TestDatabase } from "../helpers/database.ts";
import { makeAnalyst, makeOrganization, type TestOrganization } from "../helpers/make.ts";
import { makePerson, signIn } from "../helpers/token.ts";
import { type Asker, type Rights, words } from "./rights.ts";
import { sealAll } from "../helpers/seal.ts";

/** Someone whose rights are tried, with what it takes to ask through every door. */
export interface Principal extends Asker {
  name: string;
  /** The login for SQL. */
  url: string;
  /** A session token or API key, for HTTP. */
  token?: string;
  key?: string;
  /** The organization that the request names. */
  slug: string | null;
  /** Of begin_request. */
  jwtId: string | null;
  keyHash: string | null;
  /** Whose `self` is: a key's is its maker. */
  userId: number;
}

/** Two organizations that have rows in every table, and everybody who might ask for them. */
export interface World {
  ours: TestOrganization;
  theirs: TestOrganization;
  principals: Principal[];
  /** A member of ours who is none of the principals. */
  colleague: number;
  /** Everybody in ours, the invited and the removed too. */
  members: number[];
  scopes: string[];
}

/** Rows of each kind that may be deleted. */
const SPARE = 80;

/** Fills a database with two organizations and makes the principals, who have rights in `ours`. */
export async function makeWorld(database: TestDatabase, rights: Rights): Promise<World> {
  const ours = await makeOrganization(database);
  const theirs = await makeOrganization(database);
  const elsewhere = await makeOrganization(database);
  const scopes = words(rights.roles.owner);
  const principals: Principal[] = [];
  const nobody = { slug: null, jwtId: null, keyHash: null, userId: 0, person: false };

  /** An invitation to a third organization, with a code that the tests know. */
  async function inviteElsewhere(userId: number): Promise<void> {
    await database.query(
      `with m as (insert into ops.organization_user (organization_id, user_id, role, status)
                  values ($1, $2, 'viewer', 'invited') returning id)
       insert into ops.invitation (organization_id, organization_user_id, code_hash, expires_at)
       select $1, id, encode(sha256(convert_to('code ' || $2::int, 'UTF8')), 'hex'), now() + interval '1 day' from m`,
      [elsewhere.id, userId],
    );
  }
  for (const [name, role] of [["anonymous", "anonymous"], ["gateway", "gateway"]] as const) {
    const permissions = new Set<string>();
    const url = database.gatewayUrl;
    principals.push({ ...nobody, name, role, url, inOurs: false, permissions });
  }
  for (const name of ["owner", "admin", "member", "viewer", "invited", "removed"]) {
    const email = `${name}@${ours.slug}.example`;
    const person = await makePerson(database, email);
    const inOurs = name in rights.roles;
    await database.query(
      `insert into ops.organization_user (organization_id, user_id, role, status)
       values ($1, $2, $3, $4)
       on conflict (organization_id, user_id) do nothing`,
      [ours.id, person.userId, inOurs ? name : "owner", inOurs ? "active" : name],
    );
    await inviteElsewhere(person.userId);
    principals.push({
      ...nobody,
      name,
      role: "member",
      person: true,
      inOurs,
      permissions: new Set(words(rights.roles[name])),
      url: database.gatewayUrl,
      token: person.token,
      slug: inOurs ? ours.slug : null,
      jwtId: jwtIdOf(person.token),
      userId: person.userId,
    });
  }
  const operator = await makePerson(database, `operator@${ours.slug}.example`);
  await database.query("select app.platform_admin_grant($1)", [`operator@${ours.slug}.example`]);
  await inviteElsewhere(operator.userId);
  principals.push({
    ...nobody,
    name: "operator",
    role: "member",
    person: true,
    operator: true,
    inOurs: false,
    permissions: new Set(),
    url: database.gatewayUrl,
    token: operator.token,
    jwtId: jwtIdOf(operator.token),
    userId: operator.userId,
  });
  for (const held of [...scopes.map((scope) => [scope]), scopes]) {
    const name = `key ${held.length === 1 ? held[0] : "with all scopes"}`;
    const [row] = await database.query<{ key: string }>(
      "select key from app.api_key_create($1, $2, $3, $4, null)",
      [ours.id, ours.ownerUserId, name, held],
    );
    if (!row) throw new Error("The key was not made");
    principals.push({
      ...nobody,
      name,
      role: "member",
      inOurs: true,
      permissions: new Set(held),
      url: database.gatewayUrl,
      key: row.key,
      keyHash: createHash("sha256").update(row.key).digest("hex"),
      userId: ours.ownerUserId,
    });
  }
  const analyst = await makeAnalyst(database, [ours]);
  await makeAnalyst(database, [theirs]);
  principals.push(
    {
      ...nobody,
      name: "analyst",
      role: "analyst",
      url: analyst,
      inOurs: true,
      permissions: new Set(),
    },
    {
      ...nobody,
      name: "worker",
      role: "worker",
      url: database.workerUrl,
      inOurs: false,
      permissions: new Set(),
    },
  );

  const colleague = await makePerson(database, `colleague@${ours.slug}.example`);
  const secondOwner = await makePerson(database, `second-owner@${ours.slug}.example`);
  await database.query(
    "insert into ops.organization_user (organization_id, user_id, role) values ($1, $2, 'viewer'), ($1, $3, 'owner')",
    [ours.id, colleague.userId, secondOwner.userId],
  );
  await inviteElsewhere(colleague.userId);
  for (const organization of [ours, theirs]) {
    await signIn(database, organization.ownerEmail);
    await fill(database, organization);
  }
  await database.query("select app.mart_refresh_all()");
  await database.query(
    `with state as (
       insert into app.mart_state (organization_id, time_zone) select unnest($1::uuid[]), 'UTC'
     ), rebuild as (
       insert into app.mart_rebuild (organization_id, from_ts, to_ts, next_ts, last_ts)
       select unnest($1::uuid[]), '2020-01-01Z', '2020-01-03Z', '2020-01-02Z', '2020-01-02Z'
     )
     insert into app.mart_change (organization_id, source, hour) select unnest($1::uuid[]), 'metric', '2020-01-01Z'`,
    [[ours.id, theirs.id]],
  );
  await database.query(
    "insert into app.organization_creation (organization_id, user_id) values ($1, $2), ($3, $4)",
    [ours.id, ours.ownerUserId, theirs.id, theirs.ownerUserId],
  );
  await database.query(
    `with r as (
       insert into app.audit_retention (partition_name, from_ts, to_ts, table_name) values ('x', now(), now(), 'x') returning id
     )
     insert into app.audit_detachment (organization_id, seq, retention_id, entry_id, positions)
     select unnest($1::uuid[]), 1, r.id, gen_random_uuid(), '{[1,2)}' from r`,
    [[ours.id, theirs.id]],
  );
  await database.query(
    `select app.task_expect('[{"kind": "poll", "task": "x", "seconds": 1}]'), app.worker_heartbeat_record('x')`,
  );
  await query(
    database.gatewayUrl,
    "select app.request_budget_exchange(gen_random_uuid(), '{x}', '{1}', '{0}')",
  );
  await database.query("select graphile_worker.add_job('refresh_marts')");
  await database.query("update graphile_worker._private_jobs set attempts = max_attempts");
  await database.query(
    "insert into app.erasure (kind, subject_id, counts) values ('user', '0', '{}')",
  );
  await database.query("insert into app.legal_hold (held_user_id, reason) values (0, 'x')");
  await database.query(
    "select from app.trusted_document_register('x', '{\"x\": \"{ viewer { userId } }\"}')",
  );
  // As over the API
  await database.query(
    "insert into app.legal_hold (held_organization_id, reason, placed_by) values ($1, 'x', 'curestry_gateway')",
    [theirs.id],
  );
  await database.query("select app.mart_check_sample(1)");
  await database.query("insert into app.legacy_account (source_table, rows_found) values ('x', 1)");
  await database.query(
    `insert into core.auth_accounts (user_id, provider, provider_account_id, access_token)
     select u.id, 'google', 'account ' || u.id, 'canary' from core.users u`,
  );
  await sealAll(database);
  const members = await database.query<{ user_id: number }>(
    "select user_id from ops.organization_user where organization_id = $1",
    [ours.id],
  );
  return {
    ours,
    theirs,
    principals,
    colleague: colleague.userId,
    members: members.map(({ user_id }) => user_id),
    scopes,
  };
}

async function fill(database: TestDatabase, organization: TestOrganization): Promise<void> {
  const { id, ownerUserId } = organization;
  const run = (sql: string) => database.query(sql, [id]);
  await run(
    `with p as (
       insert into core.prompts (organization_id, name, content, tags)
       select $1, case when n > 8 then 'spare' else 'prompt ' || n end, 'content', '["seed"]'
         from generate_series(1, ${SPARE + 8}) as n returning id, name
     ), s as (
       select array_agg(id order by id) as ids from p where name <> 'spare'
     )
     insert into core.prompt_relations (organization_id, source_id, target_id, relation_type)
     select $1, ids[a], ids[b], t
       from s, generate_series(1, 8) as a, generate_series(a + 1, 8) as b, unnest(array['depends_on', 'overrides', 'conflicts_with']) as t`,
  );
  await run(
    `insert into core.workflow_runs (organization_id) select $1 from generate_series(1, ${SPARE})`,
  );
  await run(
    `insert into core.workflow_nodes (organization_id, run_id, key)
     select $1, (select max(id) from core.workflow_runs where organization_id = $1), 'key ' || n from generate_series(1, ${SPARE}) as n`,
  );
  await run(
    `insert into core.evaluation_metrics (organization_id, run_id, metric_name, metric_value)
     select $1, (select max(id) from core.workflow_runs where organization_id = $1), 'metric ' || n, 1 from generate_series(1, ${SPARE}) as n`,
  );
  await run(
    `with r as (
       insert into ops.judge_rubric (organization_id, name)
       select $1, case n when 1 then 'rubric' when 2 then 'stable' else 'spare ' || n end from generate_series(1, ${SPARE}) as n returning id, name
     )
     insert into ops.judge_criterion (organization_id, rubric_id, key, title)
     select $1, r.id, k, k from r, lateral (select 'criterion' as k where r.name = 'rubric'
                                            union all select 'spare ' || n from generate_series(1, ${SPARE}) as n where r.name = 'stable') as c`,
  );
  await run(
    `insert into ops.provider_credential (organization_id, provider, credential_ref) values ($1, 'openai', 'canary')`,
  );
  await run(
    `insert into ops.invitation (organization_id, organization_user_id, code_hash, invited_by_user_id, expires_at)
     select $1, m.id, repeat('0', 64), m.user_id, now() + interval '1 day' from ops.organization_user m where m.organization_id = $1 limit 1`,
  );
  await database.query(
    `select app.api_key_create($1, $2, 'child', array['prompts:read'], null, k.id)
       from app.api_key_create($1, $2, 'another', array['prompts:read'], null) k`,
    [id, ownerUserId],
  );
  await database.query(
    `insert into ops.feature_event (organization_id, user_id, feature_key, event_count) values ($1, $2, 'feature', 1)`,
    [id, ownerUserId],
  );
  const record = {
    result: {
      detectedLanguage: "en",
      overallScore: 1,
      judgeScore: 1,
      semanticEntropy: 1,
      complexityScore: 1,
    },
    nodeResults: [{ node: "n", status: "ok" }],
    scores: [{ rubric: "rubric", criterion: "criterion", score: 1 }],
  };
  const lines = await database.query<{ outcome: string; reason: unknown }>(
    "select * from app.analysis_import($1, $2)",
    [
      id,
      JSON.stringify(
        [1, 2].map((line) => ({ line, record: { ...record, promptContent: `x ${line}` } })),
      ),
    ],
  );
  expect(lines.map(({ outcome }) => outcome)).toEqual(["inserted", "inserted"]);
  await database.query(
    `update ops.analysis_run set prompt_id = p.id, prompt_version_id = app.prompt_version_of($1, p.id, null), user_id = $2
       from (select min(id) as id from core.prompts where organization_id = $1 and name <> 'spare') p where organization_id = $1`,
    [id, ownerUserId],
  );
  await run(
    `update core.analysis_results d set prompt_id = r.prompt_id, prompt_version_id = r.prompt_version_id from ops.analysis_run r where r.id = d.analysis_run_id and d.organization_id = $1`,
  );
  await database.query(
    `update core.prompt_versions set user_id = $2, api_key_id = (select min(id::text)::uuid from ops.api_key where organization_id = $1)
      where organization_id = $1`,
    [id, ownerUserId],
  );
  await database.query(
    `insert into ops.analysis_run (organization_id, user_id, status, started_at, prompt_content) values ($1, $2, 'running', now(), 'x')`,
    [id, ownerUserId],
  );
  await database.query(
    "update core.workflow_runs set user_id = $2 where organization_id = $1 and id = (select max(id) from core.workflow_runs where organization_id = $1)",
    [id, ownerUserId],
  );
}

/** The session that a token names. */
export function jwtIdOf(token: string): string {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).jti;
}
