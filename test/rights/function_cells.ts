import type { TestDatabase } from "../helpers/database.ts";
import type { Try } from "./as_principal.ts";
import { holds, type Rights, words } from "./rights.ts";
import { isNo, type Wrong } from "./table_cells.ts";
import type { Principal, World } from "./world.ts";

/** A call of an API function; its rows say that it did something. */
interface Call {
  sql: string;
  values?: unknown[];
  /** What the permission alone does not suffice for. */
  also?: (principal: Principal) => boolean;
  /** What it does concerns no row of an organization that could be another's. */
  concerns?: "caller";
}

/** Things of ours and theirs that functions are called with. */
interface Things {
  prompt: string;
  run: string;
  member: number;
  key: string;
  rubric: string;
  code: string;
  job: string;
  organization: string;
  slug: string;
  /** Of the organization; null: one is placed first. */
  hold: string | null;
  email: string;
}

/** SQLSTATEs of a refusal: not allowed, not signed in, no such thing, or not of this organization. */
const refusals = ["42501", "CU001", "CU002", "CU003", "CU004", "CU005", "23503"];

/** Calls with things of one organization; without one, what the function does concerns no other. */
function calls(thing: Things, concernsCaller: boolean): Record<string, Call> {
  const all: Record<string, Call> = {
    "core.high_entropy_analyses": {
      sql: "select from core.high_entropy_analyses(0) r where r.organization_id = $1",
      values: [thing.organization],
    },
    "core.prompts_by_tags": {
      sql: "select from core.prompts_by_tags(array['seed']) r where r.organization_id = $1",
      values: [thing.organization],
    },
    "core.search_prompts": {
      sql: "select from core.search_prompts('content') r where r.organization_id = $1",
      values: [thing.organization],
    },
    "ops.judge_scores_by_score": {
      sql: "select from ops.judge_scores_by_score(0) r where r.organization_id = $1",
      values: [thing.organization],
    },
    "core.sign_out": { sql: "select core.sign_out()", concerns: "caller" },
    "core.sign_out_everywhere": { sql: "select core.sign_out_everywhere()", concerns: "caller" },
    "mart.metric_series": {
      sql:
        "select from unnest(mart.metric_series('latency', '2026-01-01Z', '2026-01-02Z', fill => 'ZERO'))",
      concerns: "caller",
    },
    "mart.metric_keys": {
      sql: "select from unnest(array[mart.metric_keys()::text]) as keys where keys is not null",
      concerns: "caller",
    },
    "mart.analysis_series": {
      sql: "select from unnest(mart.analysis_series('2026-01-01Z', '2026-01-02Z', fill => 'ZERO'))",
      concerns: "caller",
    },
    "mart.mart_freshness": {
      sql: "select from unnest(mart.mart_freshness())",
      concerns: "caller",
    },
    "ops.accept_invitation": {
      sql: "select ops.accept_invitation($1)",
      values: [thing.code],
    },
    "ops.create_organization": {
      sql: "select ops.create_organization('brand-new', 'New')",
      concerns: "caller",
    },
    "ops.quotas": { sql: "select from ops.quotas()", concerns: "caller" },
    // There is none: who may read them gets no row, and no refusal
    "ops.legal_holds": {
      sql: "select count(*) from ops.legal_holds()",
      concerns: "caller",
    },
    "ops.place_legal_hold": { sql: "select ops.place_legal_hold('x')", concerns: "caller" },
    "ops.release_legal_hold": thing.hold === null
      ? {
        sql: "select ops.release_legal_hold((ops.place_legal_hold('x')).id)",
        concerns: "caller",
      }
      : { sql: "select ops.release_legal_hold($1)", values: [thing.hold] },
    "ops.erase_organization": {
      sql: "select ops.erase_organization($1)",
      values: [thing.slug],
    },
    "ops.erase_account": {
      sql: "select ops.erase_account($1)",
      values: [thing.email],
    },
    "ops.leave_organization": { sql: "select ops.leave_organization()", concerns: "caller" },
    "ops.start_analysis_run": {
      sql: "select ops.start_analysis_run(prompt_id => $1)",
      values: [thing.prompt],
    },
    "ops.finish_analysis_run": { sql: "select ops.finish_analysis_run($1)", values: [thing.run] },
    "ops.fail_analysis_run": { sql: "select ops.fail_analysis_run($1)", values: [thing.run] },
    "ops.cancel_analysis_run": { sql: "select ops.cancel_analysis_run($1)", values: [thing.run] },
    "ops.record_analyses": {
      sql:
        `select from ops.record_analyses(array[row(null, $1, null, null, null, null, null, null, null, null, null)::ops.analysis_item]) r
          where r.outcome = 'inserted'`,
      values: [thing.prompt],
    },
    "app.analysis_import_as_member": {
      sql: `select from app.analysis_import_as_member(jsonb_build_array(jsonb_build_object(
              'line', 1, 'record', jsonb_build_object('promptId', $1::text, 'status', 'queued')))) i
             where i.outcome in ('inserted', 'unchanged')`,
      values: [thing.prompt],
    },
    "app.score_import_as_member": {
      sql:
        `select from app.score_import_as_member(jsonb_build_array(jsonb_build_object('line', 1, 'record',
              jsonb_build_object('analysisRunId', $1::text, 'rubric', 'x', 'criterion', 'x', 'score', 1)))) i
             where i.reason !~ 'analysisRunId'`,
      values: [thing.run],
    },
    "app.metric_import_as_member": {
      sql:
        `select from app.metric_import_as_member(jsonb_build_array(jsonb_build_object('line', 1, 'record',
              jsonb_build_object('analysisRunId', $1::text, 'key', 'imported', 'valueNum', 1)))) i
             where i.outcome in ('inserted', 'unchanged')`,
      values: [thing.run],
    },
    "app.prompt_import_as_member": {
      sql:
        `select from app.prompt_import_as_member('[{"line": 1, "record": {"content": "x"}}]') i where i.outcome = 'inserted'`,
      concerns: "caller",
    },
    "ops.record_feature_events": {
      sql: "select ops.record_feature_events(array[row('f', null, 1)::ops.feature_event_item])",
      concerns: "caller",
    },
    "ops.change_member_role": {
      sql: "select ops.change_member_role($1, 'member')",
      values: [thing.member],
    },
    "ops.invite_member": {
      sql: "select ops.invite_member('brand-new@x.example', 'viewer')",
      concerns: "caller",
    },
    "ops.remove_member": { sql: "select ops.remove_member($1)", values: [thing.member] },
    "ops.create_api_key": {
      sql: "select ops.create_api_key('new', array['prompts:read'])",
      // Scopes are permissions that one has
      also: ({ permissions }) => permissions.has("prompts:read"),
      concerns: "caller",
    },
    "ops.revoke_api_key": { sql: "select ops.revoke_api_key($1)", values: [thing.key] },
    "ops.rotate_api_key": {
      sql: "select ops.rotate_api_key($1)",
      values: [thing.key],
      also: ({ permissions }) => permissions.has("prompts:read"),
    },
    "core.prompts_dependents": {
      sql: "select from core.prompts p, core.prompts_dependents(p) d where d.organization_id = $1",
      values: [thing.organization],
    },
    "core.prompts_version": {
      sql:
        "select from core.prompts p where core.prompts_version(p) > 0 and p.organization_id = $1",
      values: [thing.organization],
    },
    "ops.entity_as_of": {
      sql: "select where ops.entity_as_of('Prompt', $1, now()) is not null",
      values: [thing.prompt],
    },
    "ops.entity_history": {
      sql: "select from ops.entity_history('Prompt', $1)",
      values: [thing.prompt],
    },
    "ops.analysis_run_weighted_score": {
      sql:
        `select from ops.analysis_run r where ops.analysis_run_weighted_score(r) > 0 and r.organization_id = $1`,
      values: [thing.organization],
    },
    "ops.revise_judge_rubric": {
      sql: "select ops.revise_judge_rubric($1)",
      values: [thing.rubric],
    },
    "ops.failed_jobs": { sql: "select from ops.failed_jobs()", concerns: "caller" },
    "ops.task_runs": { sql: "select from ops.task_runs()", concerns: "caller" },
    "ops.retry_job": {
      sql: "select ops.retry_job($1)",
      values: [thing.job],
      concerns: "caller",
    },
    "ops.cancel_job": {
      sql: "select ops.cancel_job($1)",
      values: [thing.job],
      concerns: "caller",
    },
    "ops.viewer": {
      sql:
        `select from ops.viewer() v where v.organization_id = $1 or exists (select from unnest(v.organizations) o where o.id = $1)`,
      values: [thing.organization],
    },
  };
  return Object.fromEntries(
    Object.entries(all).filter(([, { concerns }]) => concernsCaller || concerns !== "caller"),
  );
}

/** Tries to call every function. */
export async function tryFunctions(
  database: TestDatabase,
  rights: Rights,
  world: World,
  principal: Principal,
  attempt: Try,
): Promise<{ cells: number; wrong: Wrong[] }> {
  const wrong: Wrong[] = [];
  let cells = 0;
  const judge = (cell: string, expected: boolean, right: boolean, found: string) => {
    cells++;
    if (!right) wrong.push({ cell, expected: expected ? "yes" : "no", found });
  };

  const probes = {
    own: calls(await things(database, world.ours.id, world.colleague, principal.userId), true),
    other: calls(
      await things(database, world.theirs.id, world.theirs.ownerUserId, world.colleague),
      false,
    ),
  };
  for (const [signature, entry] of Object.entries(rights.functions)) {
    const [name = ""] = signature.split("(");
    if (entry.permission === undefined) continue;
    if (!(name in probes.own)) {
      throw new Error(`function_cells.ts does not know how to call ${name}`);
    }
    for (const whose of ["own", "other"] as const) {
      const call = probes[whose][name];
      if (call === undefined) continue;
      // In an organization of their own they may do all this
      if (
        principal.person && !principal.inOurs && call.concerns === "caller" &&
        !entry.permission.startsWith("self") && entry.permission !== "operator"
      ) continue;
      const allowed = whose === "own" && words(entry.execute).includes(principal.role) &&
        (principal.role === "analyst" || holds(principal, entry.permission, whose)) &&
        (call.also?.(principal) ?? true);
      const outcome = await attempt(call.sql, call.values);
      const { code, message, count } = outcome;
      const right = allowed
        ? code === undefined && count > 0
        : code === undefined
        ? count === 0
        : refusals.includes(code);
      const found = code ? `${code} ${message}` : `${count} rows`;
      judge(`${principal.name}: call ${signature} (${whose})`, allowed, right, found);
    }
  }

  // Whether it may be called at all
  const functions = await database.query<{ name: string; call: string }>(
    `select p.oid::regprocedure::text as name,
            p.oid::regproc || '(' || coalesce((select string_agg(case when p.provariadic <> 0 then 'variadic ' else '' end || 'null::' || t::regtype, ', ' order by n)
                                  from unnest(p.proargtypes) with ordinality as a (t, n)), '') || ')' as call
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('app', 'core', 'ops', 'mart', 'report')`,
  );
  for (const { name, call } of functions) {
    const allowed = words(rights.functions[name]?.execute).includes(principal.role);
    const outcome = await attempt(`select ${call}`);
    const denied = outcome.code === "42501";
    const found = outcome.code ? `${outcome.code} ${outcome.message}` : `${outcome.count} rows`;
    judge(
      `${principal.name}: execute ${name}`,
      allowed,
      allowed ? !denied : isNo(outcome) && denied,
      found,
    );
  }
  return { cells, wrong };
}

async function things(
  database: TestDatabase,
  organization: string,
  member: number,
  invited: number,
): Promise<Things> {
  const [row] = await database.query<
    Omit<Things, "member" | "code" | "organization">
  >(
    `select (select min(id) from core.prompts where organization_id = $1 and name <> 'spare') as prompt,
            (select id from ops.analysis_run where organization_id = $1 and status = 'running' limit 1) as run,
            (select id from ops.api_key where organization_id = $1 and name = 'another') as key,
            (select id from ops.judge_rubric where organization_id = $1 and name = 'rubric') as rubric,
            (select min(id) from graphile_worker._private_jobs) as job,
            (select slug from ops.organization where id = $1) as slug,
            (select id from app.legal_hold where held_organization_id = $1) as hold,
            (select email from core.users where id = $2) as email`,
    [organization, invited],
  );
  if (!row) throw new Error("There is nothing to call functions with");
  return { ...row, member, code: `code ${invited}`, organization };
}
